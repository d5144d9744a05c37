"""Bad input: each kind has a clear message and does not affect the rest of the data."""

import gzip
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.api.checks import check
from datajob.errors import InputError, InvalidJob, RowsFailed, SinkError
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

ROWS: Rows = [{"id": i, "text": f"row {i}"} for i in range(200)]
DROP = {"policy": "drop"}


def from_json(path: Path, **parameters: Any) -> list[Rows]:
    return [{"json": {"paths": [str(path)], **parameters}}]  # type: ignore[list-item]


def write_lines(path: Path, lines: list[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(lines) + b"\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_parts(tmp_path / "in", ROWS, 5)
    return tmp_path


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        run(make_job(tmp_path / "nowhere", tmp_path / "out"))


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match=str(tmp_path / "in")):
        run(make_job(tmp_path / "in", tmp_path / "out"))


def test_a_file_without_permission_is_named(folder: Path) -> None:
    """As a user that may not read it: root may read everything."""
    if os.geteuid() != 0:
        (folder / "in" / "in-0002.parquet").chmod(0)
        with pytest.raises(InputError, match=r"in-0002.*permission"):
            run(make_job(folder / "in", folder / "out"))
        return
    child = os.fork()
    if child == 0:
        code = 1
        try:
            (folder / "in" / "in-0002.parquet").chmod(0)
            for place in (folder, *folder.parents):
                if place != Path("/") and place != Path("/tmp"):
                    place.chmod(0o777)
            os.setuid(65534)
            try:
                run(make_job(folder / "in", folder / "out"))
            except InputError as error:
                code = 0 if "in-0002" in str(error) and "permission" in str(error).lower() else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_truncated_parquet_file_fails_alone(folder: Path) -> None:
    broken = folder / "in" / "in-0002.parquet"
    broken.write_bytes(broken.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"in-0002\.parquet"):
        run(make_job(folder / "in", folder / "out"))
    report = run(make_job(folder / "in", folder / "out", errors=DROP))
    assert read_manifest(folder / "out") == [*ROWS[:80], *ROWS[120:]]
    assert report.progress.rows_failed == 1


def test_an_invalid_json_line_fails_alone(folder: Path) -> None:
    lines = [json.dumps(r).encode() for r in ROWS]
    write_lines(folder / "j" / "a.jsonl", [*lines[:50], b'{"id": 50, "text": ', *lines[51:]])
    with pytest.raises(RowsFailed, match=r"a\.jsonl.*errors.policy"):
        run(make_job(folder, folder / "out", sources=from_json(folder / "j")))
    errors = {"policy": "quarantine", "path": str(folder / "bad")}
    report = run(make_job(folder, folder / "out2", sources=from_json(folder / "j"), errors=errors))
    assert read_manifest(folder / "out2") == [*ROWS[:50], *ROWS[51:]]
    assert report.progress.rows_failed == 1
    assert pq.read_table(folder / "bad" / "step=read").column("record").to_pylist() == ['{"id": 50, "text":']


def test_invalid_utf8_fails_alone(folder: Path) -> None:
    lines = [json.dumps(r).encode() for r in ROWS]
    write_lines(folder / "j" / "a.jsonl", [*lines[:50], b'{"id": 50, "text": "\xff\xfe"}', *lines[51:]])
    run(make_job(folder, folder / "out", sources=from_json(folder / "j"), errors=DROP))
    assert read_manifest(folder / "out") == [*ROWS[:50], *ROWS[51:]]


def test_a_truncated_gzip_file_keeps_the_rows_before_the_cut(folder: Path) -> None:
    data = gzip.compress(b"\n".join(json.dumps({"id": i, "text": os.urandom(50).hex()}).encode() for i in range(5000)))
    (folder / "j").mkdir()
    (folder / "j" / "a.jsonl.gz").write_bytes(data[: len(data) // 2])
    (folder / "j" / "b.jsonl").write_bytes(b'{"id": 9999, "text": "whole"}\n')
    report = run(make_job(folder, folder / "out", sources=from_json(folder / "j"), errors=DROP))
    found = [r["id"] for r in read_manifest(folder / "out")]
    assert found[-1] == 9999
    assert found[:-1] == list(range(len(found) - 1))
    assert report.progress.rows_failed >= 1


@pytest.mark.slow
def test_a_line_of_200_megabytes_is_read(folder: Path) -> None:
    huge = b'{"id": 1, "text": "' + b"x" * (200 << 20) + b'"}'
    write_lines(folder / "j" / "a.jsonl", [b'{"id": 0, "text": "a"}', huge, b'{"id": 2, "text": "b"}'])
    steps = [{"compute": {"columns": {"size": "length(text)"}}}, {"select": {"columns": ["id", "size"]}}]
    run(make_job(folder, folder / "out", steps, sources=from_json(folder / "j")), shard_bytes=64 << 20)
    assert read_manifest(folder / "out") == [{"id": 0, "size": 1}, {"id": 1, "size": 200 << 20}, {"id": 2, "size": 1}]


def test_a_column_that_does_not_exist_is_named_with_a_suggestion(folder: Path) -> None:
    with pytest.raises(InvalidJob, match=r"txt.*text"):
        run(make_job(folder / "in", folder / "out", [{"gopherQuality": {"column": "txt"}}]))


@pytest.mark.parametrize(
    "step",
    [
        {"gopherQuality": {"column": "id"}},
        {"unicodeNormalize": {"column": "id"}},
        {"explode": {"column": "text"}},
        {"filter": {"where": "text > [1]"}},
    ],
    ids=lambda step: next(iter(step)),
)
def test_a_column_of_the_wrong_type_is_named(step: Rows, folder: Path) -> None:
    with pytest.raises((InvalidJob, InputError), match=r"`(id|text|text > .*)`"):
        run(make_job(folder / "in", folder / "out", [step], errors=DROP))


def test_a_sink_inside_the_source_is_refused(folder: Path) -> None:
    problems = check(make_job(folder / "in", folder / "in" / "out"))
    assert any("inside the input of the job" in str(p) for p in problems)
    with pytest.raises(InvalidJob, match="inside the input of the job"):
        run(make_job(folder / "in", folder / "in" / "out"))


def test_columns_with_incompatible_types_are_named(folder: Path) -> None:
    pq.write_table(pa.table({"id": [["a", "list"]], "text": ["x"]}), folder / "in" / "z.parquet")
    with pytest.raises(InputError, match=r"id.*(list|int64)"):
        run(make_job(folder / "in", folder / "out"))


def test_missing_columns_are_null_and_wider_types_win(folder: Path) -> None:
    pq.write_table(pa.table({"id": [1000.5], "more": ["x"]}), folder / "in" / "z.parquet")
    run(make_job(folder / "in", folder / "out"))
    found = read_manifest(folder / "out")
    assert found[-1] == {"id": 1000.5, "text": None, "more": "x"}
    assert found[0] == {"id": 0.0, "text": "row 0", "more": None}


def test_files_without_rows_are_accepted(folder: Path) -> None:
    pq.write_table(pa.table({"id": pa.array([], pa.int64()), "text": pa.array([], pa.string())}), folder / "in" / "a.parquet")
    run(make_job(folder / "in", folder / "out"))
    assert read_manifest(folder / "out") == ROWS


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.root
def test_a_full_disk_is_reported_and_the_run_resumes_once_space_is_available(full_disk: Path, tmp_path: Path) -> None:
    rows = [{"id": i, "text": os.urandom(500).hex()} for i in range(3000)]
    write_parts(tmp_path / "in", rows, 10)
    job = make_job(tmp_path / "in", full_disk / "out")
    with pytest.raises(SinkError, match="the disk is full"):
        run(job)
    subprocess.run(["mount", "-o", "remount,size=64m", str(full_disk)], check=True)
    report = run(job)
    assert report.attempt == 2
    assert read_manifest(full_disk / "out") == rows
