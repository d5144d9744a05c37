"""The samples that caption a folder of images, unchanged except for the model."""

from pathlib import Path

import datasets
from PIL import Image

from datajob.formats.json import JsonReader
from datajob.formats.webdataset import WebdatasetReader
from tests.samples.conftest import Sample
from tests.support.local_jobs import make_job, run
from tests.support.pictures import PHOTOS, encoded, photo, photo_bytes


def test_caption_images_describes_each_photo(tiny: Path, sample: Sample) -> None:
    step = "spec.steps[0].llava"
    ran = sample("caption-images.yaml", f"{step}.model={tiny}", f"{step}.maxNewTokens=8")
    rows = ran.rows(reader=JsonReader)
    assert len(rows) == ran.report.progress.rows_out == 6
    assert all(row["caption"] and row["tokens"] == 8 and row["finish_reason"] == "length" for row in rows)
    assert "float32 on cpu" in ran.report.workers[0].models[0] or "float16 on cuda" in ran.report.workers[0].models[0]


def test_caption_photos_describes_what_is_left_of_a_library(tiny: Path, sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in PHOTOS:
        (folder / f"{name}.jpg").write_bytes(photo_bytes(name))
    (folder / "again.jpg").write_bytes(encoded(photo("china").resize((480, 320)), "JPEG", quality=60))
    (folder / "blank.png").write_bytes(encoded(Image.new("RGB", (300, 300), "white")))
    step = "spec.steps[6].llava"
    paths = f"spec.sources[0].images.paths=[{folder}]"
    ran = sample("caption-photos.yaml", f"{step}.model={tiny}", f"{step}.maxNewTokens=8", paths)
    assert ran.rejected() == {"blank_image_too_high": 1, "duplicate": 1}
    rows = ran.rows(reader=WebdatasetReader)
    assert len(rows) == len(PHOTOS) and all(row["caption"] for row in rows)

    sources = [{"webdataset": {"paths": [str(tmp_path / "out")]}}]
    sink = {"parquet": {"path": str(tmp_path / "set"), "features": {"jpg": "image"}}}
    run(make_job(tmp_path / "out", tmp_path / "set", [], sources=sources, sink=sink))
    files = sorted(map(str, (tmp_path / "set").glob("*.parquet")))
    found = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert found.features["jpg"] == datasets.Image()
    assert {row["caption"] for row in found} == {row["caption"] for row in rows}
