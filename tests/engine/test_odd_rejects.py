"""Rejected and failed rows are stored whatever their columns are: what Parquet cannot store becomes JSON text."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.engine.worker.rejects import RejectWriter
from tests.support.local_jobs import make_job, run, write_parts

DEEP = 1
for _ in range(25):
    DEEP = [DEEP]

ODD: dict[str, tuple[Any, pa.DataType | None, Any]] = {
    "an interval": (pa.MonthDayNano([1, 2, 3_000_000_000]), pa.month_day_nano_interval(), "P1M2DT3.000000000S"),
    "lists of fixed size 0": ([], pa.list_(pa.string(), 0), []),
    "a struct without members": ({}, pa.struct([]), {}),
    "a list that is too deep": (DEEP, None, DEEP),
    "seconds beyond milliseconds": (10**17, pa.timestamp("s"), "3168875820-09-06T09:46:40"),
    "an interval in a list": ([pa.MonthDayNano([1, 0, 0])], pa.list_(pa.month_day_nano_interval()), ["P1M0DT0.000000000S"]),
}


def interval_and_failure(rows: Any) -> Any:
    column = pa.array([pa.MonthDayNano([i, 0, 0]) for i in range(rows.num_rows)], pa.month_day_nano_interval())
    return rows.append_column("odd", column)


def fail_on_three(row: dict[str, Any]) -> dict[str, Any]:
    if row["id"] == 3:
        raise ValueError("three")
    return {"id": row["id"]}


@pytest.mark.parametrize("case", ODD)
def test_a_column_that_parquet_cannot_store_is_stored_as_json_text(tmp_path: Path, case: str) -> None:
    value, kind, expected = ODD[case]
    odd = pa.array([value, None], kind) if kind is not None else pa.array([value, None])
    rows = pa.table({"id": [1, 2], "odd": odd})
    writer = RejectWriter(str(tmp_path), str(tmp_path), "0")
    writer.rejected("a", pa.array(["r", "r"]), rows)
    writer.failed("b", ["e", "e"], rows)
    for file in writer.close():
        found = pq.ParquetFile(file).read().to_pylist()
        assert [row["id"] for row in found] == [1, 2]
        assert json.loads(found[0]["odd"]) == expected
        assert found[1]["odd"] is None


def test_rows_whose_types_change_are_stored_in_further_files(tmp_path: Path) -> None:
    writer = RejectWriter(None, str(tmp_path), "0")
    times = [pa.array([0], pa.timestamp("s")), pa.array([10**17], pa.timestamp("s")), pa.array([60], pa.timestamp("s"))]
    for number, odd in enumerate([*times, pa.array(["text"])]):
        for _ in range(300):
            writer.failed("b", ["e"], pa.table({"id": [number], "odd": odd}))
    files = writer.close()
    found = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    assert sorted(row["id"] for row in found) == sorted(300 * [0, 1, 2, 3])
    assert len(set(files)) == len(files)


def test_a_failed_row_with_an_interval_is_quarantined_and_the_job_completes(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"id": i} for i in range(10)], 1)
    steps = [
        {"mapBatches": {"function": "tests.engine.test_odd_rejects:interval_and_failure", "batchFormat": "pyarrow"}},
        {"filter": {"where": "id <> 5"}},
        {"map": {"function": "tests.engine.test_odd_rejects:fail_on_three"}},
    ]
    errors = {"policy": "quarantine", "path": str(tmp_path / "bad")}
    job = make_job(tmp_path / "in", tmp_path / "out", steps, errors=errors, rejects={"path": str(tmp_path / "rejects")})
    report = run(job)
    assert (report.progress.rows_out, report.progress.rows_failed) == (8, 1)
    (bad,) = pq.read_table(tmp_path / "bad" / "step=map").to_pylist()
    (rejected,) = pq.read_table(tmp_path / "rejects" / "step=filter").to_pylist()
    assert (bad["id"], json.loads(bad["odd"])) == (3, "P3M0DT0.000000000S")
    assert (rejected["id"], json.loads(rejected["odd"])) == (5, "P5M0DT0.000000000S")
