"""Media through whole jobs: bytes are equal in every format, references are read when the result is written."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from datajob.api.contract import JOB_FILE
from datajob.api.datajob import DataJob
from datajob.errors import InputError, RowsFailed, plain
from datajob.formats._embedding import embedded
from datajob.formats.audio import AudioWriter
from datajob.formats.images import ImagesWriter
from datajob.formats.media_files import fetch
from datajob.formats.parquet import ParquetReader, ParquetWriter
from datajob.formats.registry import all_readers
from datajob.formats.webdataset import WebdatasetWriter
from datajob.media.values import media_type, media_values
from datajob_controller.datajob.objects.configmaps import job_configmap
from tests.support.local_jobs import make_job, run
from tests.support.pictures import encoded, photo
from tests.support.rows import read
from tests.support.world import datajob

PNG, JPG, WAV = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF....WAVE"
DATA = [PNG + bytes([i]) * (i * 50) for i in range(5)] + [JPG + b"x", WAV + b"y"]


def structs(folder: Path, references: bool) -> pa.Array:
    """Media values; null, and bytes or references to files."""
    for i, data in enumerate(DATA):
        (folder / f"{i}.bin").write_bytes(data)
    values = [
        {"bytes": None, "path": str(folder / f"{i}.bin")} if references else {"bytes": d, "path": f"x/{i}.bin"}
        for i, d in enumerate(DATA)
    ]
    return pa.array([*values, None], media_type())


@pytest.fixture(params=[False, True], ids=["bytes", "references"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Parquet with an image, a list of images and a text in each row."""
    (tmp_path / "files").mkdir()
    (tmp_path / "in").mkdir()
    images = structs(tmp_path / "files", request.param)
    lists = [[image, None, image] if i % 2 else None for i, image in enumerate(images.to_pylist())]
    texts = pa.array([f"text {i}" for i in range(len(images))])
    table = pa.table({"image": images, "several": pa.array(lists, pa.list_(media_type())), "txt": texts})
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    return tmp_path / "in"


def result(out: Path) -> pa.Table:
    """The rows of the manifest."""
    manifest = json.loads((out / "_datajob" / "manifest.json").read_text())
    paths = [str(out / file["path"]) for file in manifest["files"] if file["rows"]]
    form = {"jsonl": "json", "tar": "webdataset"}.get(paths[0].rpartition(".")[2], "parquet")
    return read(all_readers()[form](paths=tuple(paths)))


def data_of(rows: list[dict[str, Any]], column: str = "image") -> list[Any]:
    return [None if row[column] is None else row[column]["bytes"] for row in rows]


def several(rows: list[dict[str, Any]]) -> list[Any]:
    """The column `several` for the values in `image`."""
    return [[row["image"], None, row["image"]] if i % 2 else None for i, row in enumerate(rows)]


def test_parquet_embeds_the_bytes(source: Path, tmp_path: Path) -> None:
    run(make_job(source, tmp_path / "out"))
    rows = result(tmp_path / "out").to_pylist()
    assert data_of(rows) == [*DATA, None]
    assert [row["image"]["path"] for row in rows[:-1]] == [f"{i}.bin" for i in range(7)]
    assert [row["several"] for row in rows] == [
        [row["image"], None, row["image"]] if i % 2 else None for i, row in enumerate(rows)
    ]


def test_json_lines_have_paths_of_copies(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        run(make_job(source, out, sink={"json": {"path": str(out), "mode": "overwrite"}}))
        rows = result(out).to_pylist()
        assert [row["image"] and (out / row["image"]).read_bytes() for row in rows] == [*DATA, None]
        assert [row["several"] for row in rows] == [
            [r["image"], None, r["image"]] if i % 2 else None for i, r in enumerate(rows)
        ]
        files = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file() and "_datajob" not in p.parts)
        assert len(files) == 1 + len(DATA)
        assert {file.rpartition(".")[2] for file in files} == {"jsonl", "png", "jpg", "wav"}
        manifest = json.loads((out / "_datajob" / "manifest.json").read_text())
        assert sorted(file["path"] for file in manifest["files"]) == files
        assert manifest["rows"] == len(rows)
    run(make_job(source, out, sink={"json": {"path": str(out), "mode": "append"}}))
    assert result(out).num_rows == 16
    run(make_job(source, out, sink={"json": {"path": str(out), "mode": "overwrite", "media": "embed"}}))
    assert not list(out.rglob("*.png"))


def test_webdataset_has_members_with_the_extension_of_the_format(source: Path, tmp_path: Path) -> None:
    steps = [{"drop": {"columns": ["several"]}}]
    run(make_job(source, tmp_path / "one", steps, sink={"webdataset": {"path": str(tmp_path / "one")}}))
    with tarfile.open(next((tmp_path / "one").glob("*.tar"))) as tar:
        members = {m.name.partition(".")[2]: tar.extractfile(m).read() for m in tar if not m.name.endswith("txt")}  # type: ignore[union-attr]
        assert [name.partition(".")[2] for name in tar.getnames()] == [*["png", "txt"] * 5, "jpg", "txt", "wav", "txt", "txt"]
    assert members == {"png": DATA[4], "jpg": DATA[5], "wav": DATA[6]}
    run(make_job(source, tmp_path / "two", sink={"webdataset": {"path": str(tmp_path / "two")}}))
    with tarfile.open(next((tmp_path / "two").glob("*.tar"))) as tar:
        names = [name.partition(".")[2] for name in tar.getnames()]
    assert names[:6] == ["image.png", "txt", "image.png", "several.0.png", "several.2.png", "txt"]


def tar_job(tmp_path: Path, out: Path, sink: dict[str, Any]) -> Any:
    """A job that reads references into a tar file with an odd name."""
    (tmp_path / "rows").mkdir()
    table = pa.table({"png": pa.array(DATA[:5], pa.binary()), "txt": [str(i) for i in range(5)]})
    pq.write_table(table, tmp_path / "rows" / "a.parquet")
    tars = str(tmp_path / "tar #1%23")
    run(make_job(tmp_path / "rows", tmp_path, sink={"webdataset": {"path": tars}}))
    return make_job(tmp_path, out, sources=[{"webdataset": {"paths": [tars], "load": "reference"}}], sink=sink)


@pytest.mark.parametrize("sink", ["parquet", "json", "webdataset"])
def test_references_into_a_tar_are_read_by_range(tmp_path: Path, sink: str) -> None:
    out = tmp_path / "out"
    assert run(tar_job(tmp_path, out, {sink: {"path": str(out)}})).progress.rows_out == 5
    values = [row["png"] for row in result(out).to_pylist()]
    if sink == "json":
        values = [(out / value).read_bytes() for value in values]
    assert [value["bytes"] if sink == "parquet" else value for value in values] == DATA[:5]


def test_references_can_remain(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(tar_job(tmp_path, out, {"parquet": {"path": str(out), "media": "reference"}}))
    column = result(out).column("png")
    assert all(value["bytes"].as_py() is None and "%231%2523/" in value["path"].as_py() for value in column)
    values: Any = media_values(column)
    assert [fetch(value) for value in values] == DATA[:5]


def test_references_into_a_compressed_tar_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(__file__, "a.bin")
    sources = [{"webdataset": {"paths": [str(tmp_path / "a.tar.gz")], "load": "reference"}}]
    with pytest.raises(InputError, match=r"a.tar.gz: cannot be read with `load: reference`.*Decompress"):
        run(make_job(tmp_path, tmp_path / "out", sources=sources))


def test_files_as_references_become_files_of_the_result(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i, data in enumerate(DATA):
        (tmp_path / "in" / f"{i}#t=1.bin").write_bytes(data)
    sources = [{"binaryFiles": {"paths": [str(tmp_path / "in")], "load": "reference"}}]
    sink = {"parquet": {"path": str(tmp_path / "out"), "features": {"path": "audio"}}}
    run(make_job(tmp_path, tmp_path / "out", sources=sources, sink=sink))
    rows = result(tmp_path / "out").to_pylist()
    assert data_of(rows, "path") == DATA
    assert [row["size"] for row in rows] == list(map(len, DATA))


BROKEN = ["nowhere.png", "http://127.0.0.1:1/a.png", "empty", "a#bytes=x", "a#bytes=0,100", ""]


@pytest.mark.parametrize("sink", ["parquet", "json", "webdataset", "images"])
def test_a_reference_that_cannot_be_read_fails_its_row_alone(tmp_path: Path, sink: str) -> None:
    (tmp_path / "a").write_bytes(PNG)
    (tmp_path / "empty").touch()
    (tmp_path / "in").mkdir()
    paths = [None, *(path if ":" in path or not path else f"{tmp_path}/{path}" for path in [*BROKEN, "a"])]
    images = pa.array([None if path is None else {"path": path} for path in paths], media_type())
    pq.write_table(pa.table({"image": images, "n": range(len(paths))}), tmp_path / "in" / "a.parquet")
    out, bad = tmp_path / "out", tmp_path / "bad"
    errors = {"policy": "quarantine", "path": str(bad)}
    report = run(
        make_job(
            tmp_path / "in",
            out,
            sink={sink: {"path": str(out), **({"image": "image"} if sink == "images" else {})}},
            errors=errors,
        )
    )
    assert (report.progress.rows_out, report.progress.rows_failed) == (3, 5)
    failed = read(ParquetReader(paths=(str(bad),))).to_pylist()
    assert [row["_error"].partition(":")[0] for row in failed] == [
        "notFound",
        "unreachable",
        "empty",
        "badReference",
        "truncated",
    ]
    assert [row["image"]["path"] for row in failed] == paths[1:6]
    with pytest.raises(RowsFailed, match="Step write failed on a row"):
        run(make_job(tmp_path / "in", tmp_path / "other"))


def test_ten_thousand_references_that_point_nowhere_fail_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    images = pa.array([{"path": f"nowhere/{i}.png"} for i in range(10_000)] + [{"bytes": PNG}], media_type())
    pq.write_table(pa.table({"image": images}), tmp_path / "in" / "a.parquet")
    report = run(make_job(tmp_path / "in", tmp_path / "out", errors={"policy": "drop"}), shard_bytes=None)
    assert (report.progress.rows_out, report.progress.rows_failed) == (1, 10_000)


def test_large_media_are_embedded_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    monkeypatch.setattr("datajob.formats._embedding.PIECE_BYTES", 2500)
    references = [{"path": f"{tmp_path}/a" if i % 4 else f"{tmp_path}/b"} for i in range(20)]
    pieces = list(embedded(pa.table({"i": pa.array(references, media_type()), "n": range(20)}), ["i"]))
    assert [piece.rows.num_rows for piece in pieces] == [4, 4, 4, 4, 4]
    assert [n for piece in pieces for n in piece.rows.column("n").to_pylist()] == list(range(20))
    assert [sorted(piece.failed) for piece in pieces] == [[0], [0], [0], [0], [0]]
    assert pieces[0].before.column("i").to_pylist()[0]["path"].endswith("/b")


def test_parts_of_files_fail_where_nothing_would_state_the_part(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x" * 10)
    values = [
        {"path": f"{tmp_path}/a.mp4#t=1,2"},
        {"path": f"{tmp_path}/a.mp4"},
        {"bytes": b"abc", "path": "b.mp4#t=0,1"},
    ]
    for writer, expected in ((WebdatasetWriter, {0, 2}), (ImagesWriter, {0, 2}), (AudioWriter, {0, 2}), (ParquetWriter, set())):
        [piece] = embedded(pa.table({"video": pa.array(values, media_type())}), ["video"], writer.stores_paths)
        assert piece.failed.keys() == expected
        assert all(plain(why).startswith("isPart: ") for why in piece.failed.values())
    assert [value["path"] for value in piece.rows.column("video").to_pylist()] == ["a.mp4#t=1,2", "a.mp4", "b.mp4#t=0,1"]


def test_images_are_read_and_written_with_defaults(tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    files = {name: encoded(photo("china").resize((32, 24)), kind) for name, kind in (("a.jpg", "JPEG"), ("b.png", "PNG"))}
    for name, data in files.items():
        (photos / name).write_bytes(data)
    for load in ("bytes", "reference"):
        sink = {"images": {"path": str(out), "mode": "overwrite"}}
        sources = [{"images": {"paths": [str(photos)], "load": load}}]
        stored = job_configmap(datajob(sources=sources, sink=sink, steps=[]), "run")["data"][JOB_FILE]
        run(DataJob.model_validate(yaml.safe_load(stored)))
        assert [file.read_bytes() for file in sorted(out.rglob("000*.*g"))] == list(files.values())


def test_bytes_are_released_once_they_are_written() -> None:
    def rest() -> int:
        table = pa.table({"image": pa.array([{"bytes": bytes(1 << 20), "path": "a.png"}] * 4, media_type())})
        assert [piece.rows.num_rows for piece in embedded(table, ["image"])] == [4]
        del table
        return pa.total_allocated_bytes()

    assert rest() == rest()
