"""The samples that clean a folder of photos, and pairs of images and texts."""

import io
from pathlib import Path

import datasets
from PIL import Image, ImageFilter

from datajob.formats.webdataset import WebdatasetReader
from tests.samples.conftest import Sample
from tests.support.pictures import PHOTOS, encoded, photo, photo_bytes


def test_clean_photos_keeps_one_good_photo_of_each_kind(sample: Sample, tmp_path: Path) -> None:
    china = photo("china")
    files = {
        **{name: photo_bytes(name) for name in PHOTOS},
        "again": encoded(china.resize((480, 320)), "JPEG", quality=60),
        "blank": encoded(Image.new("RGB", (300, 300), "white")),
        "blurred": encoded(china.rotate(180).filter(ImageFilter.GaussianBlur(9)), "JPEG", quality=95),
        "broken": photo_bytes("china")[:9000],
        "dark": encoded(photo("flower").point(lambda level: level // 12), "JPEG"),
        "long": encoded(china.resize((900, 100)), "JPEG"),
        "small": encoded(china.resize((60, 40)), "JPEG"),
    }
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, data in files.items():
        (folder / f"{name}.jpg").write_bytes(data)
    ran = sample("clean-photos.yaml", f"spec.sources[0].images.paths=[{folder}]")
    rows = ran.rows(reader=WebdatasetReader)
    assert len(rows) == ran.report.progress.rows_out == len(PHOTOS)
    assert ran.report.progress.rows_failed == 1
    reasons = ("aspect_ratio_too_high", "blank_image_too_high", "brightness_too_low", "duplicate", "sharpness_too_low")
    assert ran.rejected() == {**dict.fromkeys(reasons, 1), "shorter_side_too_low": 1}
    for row in rows:
        [data] = [value for value in row.values() if isinstance(value, bytes)]
        with Image.open(io.BytesIO(data)) as image:
            assert max(image.size) == 512


def test_llava_pretrain_keeps_pairs_of_good_images_and_captions(sample: Sample, tmp_path: Path) -> None:
    ran = sample("llava-pretrain.yaml")
    assert ran.rejected() == {"duplicate": 1, "alphanumeric_ratio_too_low": 1}
    assert ran.report.progress.rows_failed == 1
    files = sorted(map(str, (tmp_path / "out").glob("*.parquet")))
    found = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert found.features["image"] == datasets.Image()
    assert [row["id"] for row in found] == [f"{i:05}" for i in range(6)]
    assert [row["image"].size for row in found][:3] == [(320, 240), (240, 320), (256, 256)]
    assert all(row["conversations"][0]["value"].count("<image>") == 1 for row in found)
