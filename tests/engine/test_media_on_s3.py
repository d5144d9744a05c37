"""Media on S3: references, ranges and tar members are read there, exchanges keep their bytes there, and sinks copy them."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.api.datajob import DataJob
from datajob.errors import StorageUnavailable
from datajob.formats.folder import Folder
from datajob.formats.media_files import fetch, fetch_all
from datajob.formats.storage import resolve
from datajob.media import isolation
from datajob.media.errors import MediaError
from datajob.media.values import MediaValue, media_type
from tests.support.local_jobs import run
from tests.support.pictures import encoded, photo
from tests.support.sounds import file, sine
from tests.support.videos import moving, video
from tests.support.world import datajob

pytestmark = pytest.mark.s3
PHOTOS = {
    name: encoded(photo("china").resize((40 + number, 30)), "JPEG")
    for number, name in enumerate(("a.jpg", "b c.jpg", "d%20e.jpg", "f#1.jpg", "g?h.jpg", "é+1.jpg", "x/y/z.jpg"))
}


def job(sources: list[dict[str, Any]], sink: dict[str, Any], *steps: dict[str, Any], **spec: Any) -> DataJob:
    return DataJob.model_validate(datajob(sources=sources, sink=sink, steps=list(steps), **spec))


@pytest.fixture
def photos(bucket: str) -> str:
    """A folder with photos whose names are odd."""
    for name, data in PHOTOS.items():
        Folder(f"{bucket}/photos").write(name, data)
    return f"{bucket}/photos"


def result(out: str) -> list[dict[str, Any]]:
    folder = Folder(out)
    files = json.loads(folder.read("_datajob/manifest.json"))["files"]
    return [row for file in files for row in pq.read_table(pa.BufferReader(folder.read(file["path"]))).to_pylist()]


@pytest.mark.parametrize("load", ["reference", "bytes"])
def test_images_on_s3_pass_steps_and_exchanges(bucket: str, photos: str, load: str) -> None:
    steps: list[dict[str, Any]] = [
        {"sort": {"by": ["width"], "descending": ["width"]}},
        {"brightness": {"output": "light"}},
        {"imageDedup": {"distance": 0, "size": 16}},
    ]
    sink = {"parquet": {"path": f"{bucket}/out"}}
    report = run(job([{"images": {"paths": [photos], "load": load}}], sink, *steps), shard_bytes=10_000)
    rows = result(f"{bucket}/out")
    assert report.progress.rows_failed == 0
    assert {row["image"]["path"]: row["image"]["bytes"] for row in rows}.items() <= {
        name.rpartition("/")[2]: data for name, data in PHOTOS.items()
    }.items()
    assert len(rows) == report.progress.rows_out and all(0 < row["light"] < 1 for row in rows)
    assert [row["width"] for row in rows] == sorted((row["width"] for row in rows), reverse=True)
    assert not [name for name in Folder(f"{bucket}/out").list("", recursive=True) if name.endswith(".bytes")]


@pytest.mark.parametrize("sink", ["json", "webdataset", "images"])
def test_references_to_members_of_tars_are_copied(bucket: str, photos: str, sink: str) -> None:
    tars, out = f"{bucket}/tars", Folder(f"{bucket}/out")
    run(job([{"images": {"paths": [photos]}}], {"webdataset": {"path": tars}}), shard_bytes=10_000)
    sources = [{"webdataset": {"paths": [tars], "load": "reference"}}]
    options = {"image": "jpg"} if sink == "images" else {}
    run(job(sources, {sink: {"path": out.path, **options}}, {"shuffle": {}}), shard_bytes=10_000)
    if sink == "webdataset":
        back = [{"webdataset": {"paths": [out.path]}}]
        run(job(back, {"images": {"path": f"{bucket}/back", "image": "jpg"}}))
        out = Folder(f"{bucket}/back")
    copies = [out.read(name) for name in out.list("", recursive=True) if name.endswith(".jpg")]
    assert sorted(copies) == sorted(PHOTOS.values())


def reason(path: str, **value: Any) -> str:
    with pytest.raises(MediaError) as found:
        fetch(MediaValue(path=path, **value))
    return found.value.reason


def test_every_broken_reference_to_s3_has_a_reason(bucket: str, photos: str) -> None:
    size = len(PHOTOS["a.jpg"])
    Folder(photos).write("empty", b"")
    assert fetch(MediaValue(path=f"{photos}/a.jpg", byte_range=(10, 20))) == PHOTOS["a.jpg"][10:30]
    assert fetch(MediaValue(path=f"{photos}/a.jpg"), first=5) == PHOTOS["a.jpg"][:5]
    assert reason(f"{photos}/none.jpg") == "notFound"
    assert reason(f"{bucket}-none/a.jpg") == "notFound"
    assert reason(f"{photos}/x/y") == "notFound"
    assert reason(f"{photos}/empty") == "empty"
    assert reason(f"{photos}/a.jpg", byte_range=(size, 5)) == "truncated"
    assert reason(f"{photos}/a.jpg", byte_range=(size - 1, 5)) == "truncated"
    assert reason(f"{photos}/a.jpg", byte_range=(10**17, 5)) == "truncated"
    assert reason(f"{photos}/a.jpg", byte_range=(0, 10**12)) == "tooLarge"


def test_many_references_to_s3_that_point_nowhere_fail_one_row_each(bucket: str, photos: str) -> None:
    paths = [f"{photos}/a.jpg" if i % 100 == 50 else f"{photos}/none-{i}.jpg" for i in range(300)]
    images = pa.array([{"bytes": None, "path": path} for path in paths], media_type())
    filesystem, path = resolve(f"{bucket}/rows.parquet")
    pq.write_table(pa.table({"id": range(300), "image": images}), path, filesystem=filesystem)
    sources = [{"parquet": {"paths": [f"{bucket}/rows.parquet"]}}]
    errors = {"policy": "quarantine", "path": f"{bucket}/bad", "maxRatio": 1.0}
    report = run(job(sources, {"parquet": {"path": f"{bucket}/out"}}, {"fileSize": {}}, errors=errors), shard_bytes=1 << 20)
    assert (report.progress.rows_out, report.progress.rows_failed) == (3, 297)
    assert [row["image"]["bytes"] for row in result(f"{bucket}/out")] == [PHOTOS["a.jpg"]] * 3
    bad = Folder(f"{bucket}/bad")
    files = [bad.read(name) for name in bad.list("", recursive=True) if name.endswith("parquet")]
    found = [error for file in files for error in pq.read_table(pa.BufferReader(file)).column("_error").to_pylist()]
    assert Counter(error.partition(":")[0] for error in found) == {"notFound": 297}


def test_storage_that_is_unavailable_fails_no_row(bucket: str, photos: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [MediaValue(path=f"{photos}/a.jpg")] * 3
    assert [found == PHOTOS["a.jpg"] for found in fetch_all(values)] == [True] * 3
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        list(fetch_all(values))


def test_videos_on_s3_and_in_tar_files_are_read_in_parts(bucket: str) -> None:
    isolation.close()  # that of an earlier test does not have the address of the server
    data = video(moving(40))
    Folder(f"{bucket}/videos").write("a#1.mp4", data)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("b.mp4")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    Folder(f"{bucket}/tars").write("b.tar", packed.getvalue())
    steps: list[dict[str, Any]] = [{"rename": {"columns": {"mp4": "video"}}}]
    tars = [{"webdataset": {"paths": [f"{bucket}/tars"], "load": "reference"}}]
    for name, sources, first in (("a", [{"video": {"paths": [f"{bucket}/videos"]}}], []), ("b", tars, steps)):
        rest: list[dict[str, Any]] = [
            {"videoDuration": {"output": "seconds"}},
            {"splitDuration": {"seconds": 2}},
            {"extractFrames": {"select": "key"}},
        ]
        report = run(job(sources, {"parquet": {"path": f"{bucket}/{name}"}}, *first, *rest))
        rows = result(f"{bucket}/{name}")
        assert report.progress.rows_failed == 0
        assert [(row["seconds"], row["frameTimes"]) for row in rows] == [(4, [0, 1]), (4, [2, 3])]


@pytest.mark.parametrize(("kind", "name", "step"), [
    ("audio", "a.flac", {"loudness": {"min": None, "output": "measure"}}),
    ("video", "a.mp4", {"motionScore": {"min": None, "output": "measure"}}),
])  # fmt: skip
def test_sounds_and_videos_on_s3_are_measured_and_a_broken_reference_fails_its_row(
    bucket: str, kind: str, name: str, step: dict[str, Any]
) -> None:
    isolation.close()
    Folder(bucket).write(name, file(sine(), "flac") if kind == "audio" else video(moving(20)))
    values = pa.array([{"bytes": None, "path": f"{bucket}/{path}"} for path in (name, f"none-{name}")], media_type())
    filesystem, path = resolve(f"{bucket}/rows.parquet")
    pq.write_table(pa.table({kind: values}), path, filesystem=filesystem)
    errors = {"policy": "quarantine", "path": f"{bucket}/bad", "maxRatio": 1.0}
    sources = [{"parquet": {"paths": [f"{bucket}/rows.parquet"]}}]
    report = run(job(sources, {"parquet": {"path": f"{bucket}/out"}}, step, errors=errors))
    assert (report.progress.rows_out, report.progress.rows_failed) == (1, 1)
    [row] = result(f"{bucket}/out")
    assert row["measure"] == pytest.approx(-23, abs=1) if kind == "audio" else row["measure"] > 0
    bad = Folder(f"{bucket}/bad")
    files = [bad.read(found) for found in bad.list("", recursive=True) if found.endswith("parquet")]
    [error] = [error for found in files for error in pq.read_table(pa.BufferReader(found)).column("_error").to_pylist()]
    assert error.startswith("notFound")
