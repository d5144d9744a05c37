"""A row on which a row-local step fails: only that row is lost, and it is counted and stored according to the job."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from datajob.engine.report.page import render
from datajob.errors import RowsFailed
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

ROWS: Rows = [{"id": i, "text": str(i)} for i in range(1000)]
GOOD = [r["id"] for r in ROWS if r["id"] % 100 != 13]
STEP = {"map": {"function": "tests.support.engine_functions:refuse_thirteen"}}
CAST = {"compute": {"columns": {"number": "CAST(CASE WHEN id % 100 = 13 THEN 'x' || text ELSE text END AS INTEGER)"}}}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_parts(tmp_path / "in", ROWS, 4)
    return tmp_path / "in"


@pytest.mark.parametrize("step", [STEP, CAST], ids=["a user function", "an SQL expression"])
def test_under_fail_the_first_bad_row_stops_the_job_and_is_named(step: Rows, source: Path, tmp_path: Path) -> None:
    with pytest.raises(RowsFailed, match=r"(no row 13|x13).*'id': '13'.*errors.policy"):
        run(make_job(source, tmp_path / "out", [step]))


@pytest.mark.parametrize("step", [STEP, CAST], ids=["a user function", "an SQL expression"])
def test_under_drop_only_the_bad_rows_are_missing_and_counted(step: Rows, source: Path, tmp_path: Path) -> None:
    report = run(make_job(source, tmp_path / "out", [step], errors={"policy": "drop"}))
    assert [r["id"] for r in read_manifest(tmp_path / "out")] == GOOD
    assert report.progress.rows_failed == 10
    assert report.steps[1].failed == 10


def test_quarantined_rows_name_step_and_error_and_can_be_read_again(source: Path, tmp_path: Path) -> None:
    errors = {"policy": "quarantine", "path": str(tmp_path / "bad")}
    run(make_job(source, tmp_path / "out", [STEP], errors=errors))
    bad = pq.read_table(tmp_path / "bad" / "step=map").to_pylist()
    assert [(r["id"], r["_step"], r["_error"]) for r in bad] == [
        (i, "map", f"ValueError: no row {i}") for i in range(13, 1000, 100)
    ]
    again = make_job(tmp_path / "bad", tmp_path / "again", [{"select": {"columns": ["id", "text"]}}])
    run(again)
    assert [r["id"] for r in read_manifest(tmp_path / "again")] == list(range(13, 1000, 100))


def test_more_failures_than_max_ratio_stop_the_job(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RowsFailed, match=r"maxRatio.*0\.50%.*map"):
        run(make_job(source, tmp_path / "out", [STEP], errors={"policy": "drop", "maxRatio": 0.005}))
    run(make_job(source, tmp_path / "out2", [STEP], errors={"policy": "drop", "maxRatio": 0.01}))


def test_rows_that_steps_add_count_like_rows_read(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS[:14], 2)
    steps = [
        {"flatMap": {"function": "tests.support.interrupted:some_of_each"}},
        {"compute": {"columns": {"number": "CAST(CASE WHEN copy > 0 THEN 'x' ELSE '1' END AS INTEGER)"}}},
    ]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps, errors={"policy": "drop"}))
    assert (report.progress.rows_in, report.progress.rows_out, report.progress.rows_failed) == (14, 12, 30)
    assert "<dd>71.4% of rows read or added</dd>" in render(report).replace(' class="detail"', "")
    with pytest.raises(RowsFailed, match=r"30 of 42 rows failed, 71\.43% of the expected rows: more than.*\(50\.00%\)"):
        run(make_job(tmp_path / "in", tmp_path / "out2", steps, errors={"policy": "drop", "maxRatio": 0.5}))


def test_a_batch_in_which_every_row_fails_leaves_the_others(source: Path, tmp_path: Path) -> None:
    step = {"map": {"function": "tests.support.engine_functions:refuse_low"}}
    run(make_job(source, tmp_path / "out", [step], errors={"policy": "drop"}))
    assert [r["id"] for r in read_manifest(tmp_path / "out")] == list(range(400, 1000))
