"""Results that the library `datasets` reads: images, audio and lists of images with equal bytes; its files as our input."""

import io
import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from datajob.formats.parquet import ParquetReader, ParquetWriter
from tests.support.local_jobs import make_job, run
from tests.support.rows import read, write
from tests.support.videos import moving, video


def picture(i: int, form: str = "JPEG") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8 + i, 6), (i * 20 % 256, 10, 10)).save(data, form)
    return data.getvalue()


PICTURES = [picture(i, "PNG" if i % 2 else "JPEG") for i in range(6)]


def loaded(folder: Path) -> Any:
    files = sorted(map(str, folder.glob("*.parquet")))
    return datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(folder / ".cache"))


def stored(dataset: Any, column: str) -> list[Any]:
    """The values as they are stored, not decoded."""
    return dataset.data.column(column).combine_chunks().to_pylist()


@pytest.mark.parametrize("load", ["bytes", "reference"])
def test_a_folder_of_images_is_a_data_set_of_images(tmp_path: Path, load: str) -> None:
    (tmp_path / "in").mkdir()
    for i, data in enumerate(PICTURES):
        (tmp_path / "in" / f"{i}.jpg").write_bytes(data)
    run(make_job(tmp_path / "in", tmp_path / "out", [], sources=[{"images": {"paths": [str(tmp_path / "in")], "load": load}}]))
    found = loaded(tmp_path / "out")
    assert found.features["image"] == datasets.Image()
    assert stored(found, "image") == [{"bytes": data, "path": f"{i}.jpg"} for i, data in enumerate(PICTURES)]
    assert found[3]["image"].size == (11, 6)
    assert found[3]["width"] == 11


def test_features_of_hugging_face_survive(tmp_path: Path) -> None:
    features = datasets.Features(
        image=datasets.Image(),
        sound=datasets.Audio(sampling_rate=16000),
        images=datasets.List(datasets.Image()),
        label=datasets.ClassLabel(names=["cat", "dog"]),
        text=datasets.Value("string"),
    )
    rows = {
        "image": [{"bytes": data, "path": None} for data in PICTURES],
        "sound": [{"bytes": b"RIFFxxxxWAVE", "path": "a.wav"}] * 6,
        "images": [[{"bytes": data, "path": None}, None] for data in PICTURES],
        "label": [0, 1] * 3,
        "text": list("abcdef"),
    }
    (tmp_path / "in").mkdir()
    table = pa.table(rows, schema=features.arrow_schema)
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    steps = [{"filter": {"where": "text <> 'c'"}}, {"compute": {"columns": {"n": "length(text)"}}}]
    run(make_job(tmp_path / "in", tmp_path / "out", steps))
    found = loaded(tmp_path / "out")
    assert {name: found.features[name] for name in features} == dict(features)
    for column in rows:
        assert stored(found, column) == [value for i, value in enumerate(table.column(column).to_pylist()) if i != 2]


def test_declared_columns_become_features(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i, data in enumerate(PICTURES):
        (tmp_path / "in" / f"{i}.jpg").write_bytes(data)
    rows = [{"file": str(tmp_path / "in" / f"{i}.jpg"), "pages": [str(tmp_path / "in" / f"{i}.jpg")] * i} for i in range(6)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    sink = {"parquet": {"path": str(tmp_path / "out"), "features": {"file": "image", "pages": "image"}}}
    run(
        make_job(
            tmp_path / "in", tmp_path / "out", [], sources=[{"json": {"paths": [str(tmp_path / "rows.jsonl")]}}], sink=sink
        )
    )
    found = loaded(tmp_path / "out")
    assert found.features["file"] == datasets.Image()
    assert found.features["pages"] == datasets.List(datasets.Image())
    assert [value["bytes"] for value in stored(found, "file")] == PICTURES
    assert [len(value) for value in stored(found, "pages")] == list(range(6))


def test_row_groups_with_media_are_small_and_have_a_page_index(tmp_path: Path) -> None:
    table = pa.table(
        {"image": pa.array([{"bytes": b"x" * 1000}] * 250, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))}
    )
    writer = ParquetWriter(path=str(tmp_path))
    shard = writer.open(str(tmp_path), "p", table.schema)
    for start in range(0, 250, 70):
        shard.write(table.slice(start, 70))
    shard.close()
    file = pq.ParquetFile(tmp_path / "p-000.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [100, 100, 50]
    assert file.metadata.row_group(0).column(0).has_offset_index
    assert json.loads(file.schema_arrow.metadata[b"huggingface"]) == {"info": {"features": {"image": {"_type": "Image"}}}}
    assert read(ParquetReader(paths=(str(tmp_path),))).equals(table)


def test_media_are_read_without_the_whole_row_group_in_memory(tmp_path: Path) -> None:
    images = [{"bytes": bytes([i]) * 400_000, "path": f"{i}.bin"} for i in range(90)]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    (file,) = write(ParquetWriter(path=str(tmp_path), compression="none"), pa.table({"image": pa.array(images, kind)}))
    source = pq.ParquetFile(tmp_path / file.path, buffer_size=1 << 16, pre_buffer=False)
    before, peak = pa.total_allocated_bytes(), 0
    for _ in source.iter_batches(batch_size=4):
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert source.metadata.num_row_groups == 1
    assert peak < 18_000_000  # of 36 MB


@pytest.mark.parametrize(
    "metadata", [b"", b"no json", b"[]", b"null", b'{"info": 3}', b'{"info": {"features": {"image": 7, "x": []}}}']
)
def test_metadata_that_is_not_of_hugging_face_is_ignored(tmp_path: Path, metadata: bytes) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array([{"bytes": PICTURES[0]}], kind), "x": [1]}).replace_schema_metadata(
        {"huggingface": metadata}
    )
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    run(make_job(tmp_path / "in", tmp_path / "out", []))
    assert loaded(tmp_path / "out").features["image"] == datasets.Image()


@pytest.mark.parametrize("load", ["bytes", "reference"])
def test_a_folder_of_videos_is_a_data_set_of_videos_both_ways(tmp_path: Path, load: str) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}.mp4").write_bytes(video(moving(10 + number)))
    files = [(tmp_path / "in" / f"{number}.mp4").read_bytes() for number in range(3)]
    sources = [{"video": {"paths": [str(tmp_path / "in")], "load": load}}]
    run(make_job(tmp_path / "in", tmp_path / "out", [], sources=sources))
    found = loaded(tmp_path / "out")
    assert found.features["video"] == datasets.Video()
    assert stored(found, "video") == [{"bytes": data, "path": f"{number}.mp4"} for number, data in enumerate(files)]

    found.to_parquet(str(tmp_path / "again.parquet"))
    steps = [{"videoDuration": {"min": 1.05, "output": "seconds"}}, {"extractFrames": {"count": 2}}]
    run(make_job(tmp_path / "again.parquet", tmp_path / "frames", steps))
    again = loaded(tmp_path / "frames")
    assert again.features["video"] == datasets.Video() and again.features["frames"] == datasets.List(datasets.Image())
    assert stored(again, "seconds") == [pytest.approx(1.1), pytest.approx(1.2)]
    assert [image.size for row in again.select_columns("frames") for image in row["frames"]] == [(64, 48)] * 4
