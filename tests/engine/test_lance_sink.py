"""Runs that write to Lance tables: modes, columns, and one version for a run through every crash."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("lance")

import lance

from datajob.errors import DataJobError, InputError, InvalidJob, SinkError
from datajob.formats import _lance_commit
from datajob.formats.lance import LanceReader
from tests.support.killed import Killed, killed_at
from tests.support.local_jobs import Rows, make_job, run, write_parts

ROWS: Rows = [
    {"id": i, "text": f"row {i % 7}", "share": None if i % 5 else i / 4, "item": {"a": i, "b": ["x"] * (i % 3)}}
    for i in range(60)
]


def rows_of(table: Path, version: int | None = None) -> Rows:
    found: Rows = lance.dataset(table, version=version).to_table().to_pylist()
    return sorted(found, key=lambda row: row["id"])


def job(tmp_path: Path, mode: str = "error", source: str = "in", **sink: Any) -> Any:
    return make_job(tmp_path / source, tmp_path / "out", sink={"lance": {"path": str(tmp_path / "out"), "mode": mode, **sink}})


def write_input(tmp_path: Path, rows: Rows = ROWS, name: str = "in") -> None:
    write_parts(tmp_path / name, rows, 3)


def test_modes(tmp_path: Path) -> None:
    write_input(tmp_path)
    run(job(tmp_path))
    assert rows_of(tmp_path / "out") == ROWS
    with pytest.raises(SinkError, match="already contains a table"):
        run(job(tmp_path))
    run(job(tmp_path, "append"))
    assert rows_of(tmp_path / "out") == sorted(ROWS * 2, key=lambda row: row["id"])
    write_input(tmp_path, ROWS[:7], "some")
    run(job(tmp_path, "overwrite", "some"))
    assert rows_of(tmp_path / "out") == ROWS[:7]
    assert rows_of(tmp_path / "out", version=1) == ROWS  # files of old versions remain
    assert lance.dataset(tmp_path / "out").version == 3


@pytest.mark.parametrize("data_format", ["2.0", "2.1", "2.2"])
def test_columns_are_added_only_on_request_and_stored_with_the_types_and_format_of_the_table(
    data_format: str, tmp_path: Path
) -> None:
    there = pa.table({"text": pa.array(["b"], pa.large_string()), "id": pa.array([-1], pa.int32()), "other": [1.5]})
    lance.write_dataset(there, tmp_path / "out", data_storage_version=data_format)
    new = [{"id": 7, "text": "a", "item": {"x": 1, "y": [2]}}, {"id": 8, "text": None, "item": {"x": None, "y": []}}]
    write_input(tmp_path, new)
    with pytest.raises(InvalidJob, match="the table has no column item"):
        run(job(tmp_path, "append"))
    for mode in ("append", "overwrite"):
        run(job(tmp_path, mode, schemaMode="merge"))
        old = [] if mode == "overwrite" else [{"id": -1, "text": "b", "other": 1.5, "item": None}]
        assert rows_of(tmp_path / "out") == [*old, *({**row, "other": None} for row in new)]
        table = lance.dataset(tmp_path / "out")
        assert table.schema.types[:2] == [pa.large_string(), pa.int32()]
        assert table.data_storage_version == data_format
        table.validate()
    write_input(tmp_path, [{"id": 1 << 40, "text": "a"}])
    with pytest.raises(InvalidJob, match="a value of column id"):
        run(job(tmp_path, "append"))


def test_a_null_in_a_column_that_does_not_allow_it_is_refused(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("text", pa.string(), nullable=False)])
    lance.write_dataset(pa.table({"id": [1], "text": ["a"]}, schema=schema), tmp_path / "out")
    write_input(tmp_path, [{"id": 2, "text": None}])
    with pytest.raises(InvalidJob, match="column text contains a null"):
        run(job(tmp_path, "append"))
    write_input(tmp_path, [{"id": 2}], "missing")
    with pytest.raises(InvalidJob, match="the result has no column text, which the table requires"):
        run(job(tmp_path, "append", "missing"))
    assert lance.dataset(tmp_path / "out").version == 1


def test_tables_and_parameters_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    from lance.blob import blob_array, blob_field

    write_input(tmp_path, [{"id": 1, "image": b"a"}])
    with pytest.raises(InvalidJob, match="have no partitions"):
        run(job(tmp_path, partitionBy=["id"]))
    lance.write_dataset(pa.table({"id": [1]}), tmp_path / "out", data_storage_version="legacy")
    with pytest.raises(InvalidJob, match=r"file format 0\.1, which cannot be written"):
        run(job(tmp_path, "append"))
    blobs = pa.table([pa.array([1]), blob_array([b"a"])], schema=pa.schema([("id", pa.int64()), blob_field("image")]))
    lance.write_dataset(blobs, tmp_path / "out", mode="overwrite", data_storage_version="2.2")
    with pytest.raises(InvalidJob, match="column image of the table contains blobs of version 2"):
        run(job(tmp_path, "append"))


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_driver_killed_at_each_step_of_the_commit_publishes_once(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_input(tmp_path, [{"id": i} for i in range(6)])
    run(job(tmp_path))
    more: Rows = [{"id": i + 1000} for i in range(6)]
    write_input(tmp_path, more, "more")
    number = 0
    killed = True
    while killed:
        number += 1
        with killed_at(number, _lance_commit.Publication, monkeypatch) as steps:
            try:
                run(job(tmp_path, mode, "more"), run_id=f"run-{number}")
                killed = False
            except Killed:
                pass
        run(job(tmp_path, mode, "more"), run_id=f"run-{number}")
        there = [{"id": i} for i in range(6)] if mode == "append" else []
        assert lance.dataset(tmp_path / "out").version == number + 1, steps[-1]
        expected = [*there, *more * (number if mode == "append" else 1)]
        assert rows_of(tmp_path / "out") == sorted(expected, key=lambda row: row["id"]), steps[-1]
        assert json.loads((tmp_path / "out/_datajob/run.json").read_text())["state"] == "complete"
        report = json.loads((tmp_path / "out/_datajob/report.json").read_text())
        assert (report["state"], report["output"]["rows"]) == ("complete", len(more)), steps[-1]
    assert number > 8, steps


def test_files_of_a_run_that_ended_are_reused_or_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_input(tmp_path)
    with monkeypatch.context() as scope, pytest.raises(Killed):
        scope.setattr(_lance_commit.Publication, "_once", lambda self: (_ for _ in ()).throw(Killed()))
        run(job(tmp_path, "append"), run_id="first")
    files = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out/data").iterdir()}
    assert len(files) == 3
    run(job(tmp_path, "append"), run_id="first")
    assert {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out/data").iterdir()} == files
    with monkeypatch.context() as scope, pytest.raises(Killed):
        scope.setattr(_lance_commit.Publication, "_once", lambda self: (_ for _ in ()).throw(Killed()))
        run(job(tmp_path, "append"), run_id="second")
    run(job(tmp_path, "append"), run_id="third")
    assert len([*(tmp_path / "out/data").iterdir()]) == 6
    assert rows_of(tmp_path / "out") == sorted(ROWS * 2, key=lambda row: row["id"])


def test_a_run_is_found_after_its_rows_were_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_input(tmp_path)
    original = _lance_commit.Publication._once

    def killed(self: Any) -> str:
        original(self)
        raise Killed

    with monkeypatch.context() as scope, pytest.raises(Killed):
        scope.setattr(_lance_commit.Publication, "_once", killed)
        run(job(tmp_path, "append"))
    lance.write_dataset(pa.table({"id": [-1]}), tmp_path / "out", mode="overwrite")
    run(job(tmp_path, "append"))
    assert rows_of(tmp_path / "out") == [{"id": -1}]


def test_a_result_without_rows_creates_a_table_with_its_columns(tmp_path: Path) -> None:
    write_input(tmp_path)
    steps = [{"filter": {"where": "id < 0"}}]
    path = {"lance": {"path": str(tmp_path / "out")}}
    run(make_job(tmp_path / "in", tmp_path / "out", steps, sink=path))
    assert rows_of(tmp_path / "out") == []
    assert lance.dataset(tmp_path / "out").schema.names == [*ROWS[0]]
    run(make_job(tmp_path / "in", tmp_path / "out", steps, sink={"lance": {**path["lance"], "mode": "append"}}))
    run(job(tmp_path, "append"))
    assert rows_of(tmp_path / "out") == ROWS
    assert json.loads((tmp_path / "out/_datajob/report.json").read_text())["output"]["rows"] == len(ROWS)


def test_other_programs_read_the_table_and_maintain_it(tmp_path: Path) -> None:
    import duckdb
    import polars as pl

    write_input(tmp_path)
    run(job(tmp_path))
    run(job(tmp_path, "append"))
    table = lance.dataset(tmp_path / "out")
    assert sorted(pl.scan_pyarrow_dataset(table).select("id").collect()["id"].to_list()) == sorted(r["id"] for r in ROWS * 2)
    assert duckdb.from_arrow(table).aggregate("count(*), sum(id)").fetchall() == [(120, sum(row["id"] for row in ROWS) * 2)]
    table.create_scalar_index("id", "BTREE")
    table.optimize.compact_files()
    table.cleanup_old_versions(delete_unverified=True)
    assert rows_of(tmp_path / "out") == sorted(ROWS * 2, key=lambda row: row["id"])
    assert (tmp_path / "out/_datajob/run.json").exists()
    run(job(tmp_path, "append"))
    assert lance.dataset(tmp_path / "out").to_table(filter="id = 7").num_rows == 3


@pytest.mark.s3
def test_a_table_on_s3_is_written_and_read(tmp_path: Path, bucket: str) -> None:
    write_input(tmp_path)
    for mode in ("error", "append"):
        run(make_job(tmp_path / "in", tmp_path, sink={"lance": {"path": f"{bucket}/t", "mode": mode}}))
    run(make_job(tmp_path, tmp_path / "back", sources=[{"lance": {"path": f"{bucket}/t", "columns": ["id"]}}]))
    back = [row["id"] for file in (tmp_path / "back").glob("*.parquet") for row in pq.read_table(file).to_pylist()]
    assert sorted(back) == sorted(row["id"] for row in ROWS * 2)


@pytest.mark.s3
def test_wrong_credentials_are_an_error(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_input(tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(DataJobError, match="credentials are invalid"):
        run(make_job(tmp_path / "in", tmp_path / "out", sink={"lance": {"path": f"{bucket}/t"}}))
    with pytest.raises(InputError, match="credentials are invalid"):
        LanceReader(path=f"{bucket}/t").files()
