"""fileSize: the number of bytes of the file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from PIL import Image

from datajob.operators.base import Batch
from datajob.operators.image.file_size import FileSize
from tests.support.image_results import measure, reasons
from tests.support.local_jobs import make_job, read_manifest, run, write_parts
from tests.support.pictures import encoded, photo_bytes

SMALL = encoded(Image.new("RGB", (8, 8)))


def test_the_size_is_that_of_any_file() -> None:
    files = [SMALL, b"text", photo_bytes("china")]
    assert measure(FileSize(), *files) == [len(file) for file in files]
    assert reasons(FileSize(min=5, max=1000), *files) == [None, "file_size_too_low", "file_size_too_high"]
    assert reasons(FileSize(), b"", None) == ["empty", "noMedia"]


def test_a_reference_has_the_size_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(SMALL)
    batch = Batch(pa.table({"image": ["a.png", "b.png"]}))
    assert FileSize(folder=str(tmp_path)).measures(batch)["file_size"][0] == len(SMALL)
    FileSize(folder=str(tmp_path)).keep(batch)
    assert batch.failures[1].startswith("notFound")


def test_the_size_after_a_change_is_that_of_the_new_file(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"image": photo_bytes("china")}], 1)
    steps = [{"resizeImage": {"side": 64}}, {"fileSize": {"output": "size"}}]
    run(make_job(tmp_path / "in", tmp_path / "out", steps))
    [row] = read_manifest(tmp_path / "out")
    assert row["size"] == len(row["image"]) < 10_000
