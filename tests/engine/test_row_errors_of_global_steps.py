"""A row on which a global step fails costs that row only, in whichever method of the operator it fails."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from datajob.api.report import Report
from datajob.errors import RowsFailed
from tests.support.fragile_operators import is_bad
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

WORDS = "the quick brown fox jumps over the lazy dog and runs far away from number"
ROWS: Rows = [{"id": i, "text": f"{WORDS} {i % 250}", "group": i % 7} for i in range(1000)]
"""Every text occurs four times, so that every row is a candidate for a duplicate."""
BAD = [r["id"] for r in ROWS if is_bad(r["id"])]
GOOD = [r for r in ROWS if not is_bad(r["id"])]
COUNT = {"n": {"function": "count"}}

CASES: dict[str, tuple[dict[str, Any], str, list[int]]] = {
    "signatures": ({"exactDedup": {"columns": ["text"]}}, "FragileSignatures", BAD),
    "signatures of candidates": ({"minhashDedup": {"threshold": 0.99}}, "FragileCandidates", BAD),
    "remove": ({"exactDedup": {"columns": ["text"]}}, "FragileRemove", [i for i in BAD if i >= 250]),
    "evidence": ({"minhashDedup": {"threshold": 0.99}}, "FragileEvidence", BAD),
    "sample": ({"sort": {"by": ["group", "id"]}}, "FragileSample", BAD),
    "prepare": ({"groupBy": {"by": ["group"], "aggregates": COUNT}}, "FragilePrepare", BAD),
    "route": ({"shuffle": {"seed": 3}}, "FragileRoute", BAD),
    "ranks": ({"top": {"by": "group", "fraction": 0.4}}, "FragileRanks", BAD),
}
"""The step, the operator that raises in the method, and the IDs of the rows on which it fails."""
CASES |= {
    f"{case}, with Batch.fail": (step, name.replace("Fragile", "Failed"), bad) for case, (step, name, bad) in CASES.items()
}


def fragile(case: str) -> dict[str, Any]:
    [params] = CASES[case][0].values()
    return {"custom": {"operator": f"tests.support.fragile_operators:{CASES[case][1]}", "params": params}}


@pytest.fixture(autouse=True)
def several_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datajob.engine.stage.Context.partitions", lambda self, operator, growth=1.0: 3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_parts(tmp_path / "in", ROWS, 4)
    return tmp_path / "in"


def assert_every_row_is_counted(report: Report) -> None:
    p = report.progress
    assert p.rows_in == p.rows_out + p.rows_rejected + p.rows_failed
    for step in report.steps:
        assert step.rows_in == step.rows_out + sum(step.rejected.values()) + step.failed, step.name


def sorted_rows(folder: Path) -> list[str]:
    return sorted(map(str, read_manifest(folder)))


@pytest.mark.parametrize("case", CASES)
def test_under_fail_the_job_stops_and_names_the_row(case: str, source: Path, tmp_path: Path) -> None:
    first = CASES[case][2][0]
    with pytest.raises(
        RowsFailed, match=rf"Step custom failed on a row: ValueError: no row {first}\. .*'id': '{first}'"
    ) as error:
        run(make_job(source, tmp_path / "out", [fragile(case)]))
    assert error.value.exit_code == 5


@pytest.mark.parametrize("case", CASES)
def test_under_drop_the_result_is_that_of_the_other_rows(case: str, source: Path, tmp_path: Path) -> None:
    step, _, failed = CASES[case]
    report = run(make_job(source, tmp_path / "out", [fragile(case)], errors={"policy": "drop"}))
    write_parts(tmp_path / "good", [r for r in ROWS if r["id"] not in failed], 4)
    run(make_job(tmp_path / "good", tmp_path / "expected", [step]))
    assert sorted_rows(tmp_path / "out") == sorted_rows(tmp_path / "expected")
    assert report.progress.rows_failed == report.steps[1].failed == len(failed)
    assert report.steps[1].rows_in == len(ROWS)
    if not case.startswith("prepare"):  # groups are counted after the step
        assert_every_row_is_counted(report)


@pytest.mark.parametrize("case", CASES)
def test_under_quarantine_the_failed_rows_are_stored_whole(case: str, source: Path, tmp_path: Path) -> None:
    errors = {"policy": "quarantine", "path": str(tmp_path / "bad")}
    report = run(make_job(source, tmp_path / "out", [fragile(case)], errors=errors))
    stored = sorted(pq.read_table(tmp_path / "bad" / "step=custom").to_pylist(), key=lambda row: row["id"])
    assert [{k: r[k] for k in ("id", "text", "group")} for r in stored] == [ROWS[i] for i in CASES[case][2]]
    assert {r["_error"] for r in stored} == {f"ValueError: no row {i}" for i in CASES[case][2]}
    assert report.progress.rows_failed == len(stored)


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith(("signatures", "evidence"))])
def test_a_bad_row_of_an_older_corpus_fails_and_the_others_keep_their_numbers(case: str, tmp_path: Path) -> None:
    bad, old = {**ROWS[200], "id": 4013}, [{**r, "id": r["id"] + 2000} for r in GOOD[:100]]
    write_parts(tmp_path / "old", [bad, *old], 3)
    write_parts(tmp_path / "in", GOOD, 4)
    step = fragile(case)
    step["custom"]["params"] = {**step["custom"]["params"], "against": str(tmp_path / "old")}
    report = run(make_job(tmp_path / "in", tmp_path / "out", [step], errors={"policy": "drop"}))
    known = {r["text"] for r in old}
    first = {r["text"]: r["id"] for r in reversed(GOOD) if r["text"] not in known}
    assert [r["id"] for r in read_manifest(tmp_path / "out")] == sorted(first.values())
    assert report.progress.rows_failed == 1
