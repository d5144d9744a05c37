"""A step that fails on every row is an error of the job under every policy."""

from pathlib import Path
from typing import Any

import pytest

from datajob.errors import RowsFailed
from tests.support.local_jobs import make_job, read_manifest, run, write_parts

ROWS = [{"id": i, "text": str(i)} for i in range(50)]
POLICIES = ["fail", "drop", "quarantine"]
STEPS: list[list[dict[str, Any]]] = [
    [{"cast": {"columns": {"text": "date"}}}],
    [{"filter": {"where": "id % 2 = 0"}}, {"compute": {"columns": {"x": "CAST('a' || text AS INTEGER)"}}}],
    [{"sort": {"by": ["id"]}}, {"filter": {"where": "CAST('a' || text AS INTEGER) > 1"}}],
]


def errors(policy: str, folder: Path) -> dict[str, Any]:
    return {"policy": policy, "path": str(folder / "bad")} if policy == "quarantine" else {"policy": policy}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("steps", STEPS, ids=["cast", "compute", "after a sort"])
def test_a_step_that_fails_on_every_row_stops_the_job(steps: list[dict[str, Any]], policy: str, tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 3)
    job = make_job(tmp_path / "in", tmp_path / "out", steps, errors=errors(policy, tmp_path))
    message = "failed on a row" if policy == "fail" else r"Step \w+ failed on every row \(\d+\).*The first row failed: \w+: .*"
    for _ in range(2):  # running it again reuses the shards and says the same
        with pytest.raises(RowsFailed, match=message):
            run(job)
    assert RowsFailed.exit_code == 5
    assert not (tmp_path / "out" / "_datajob" / "manifest.json").exists()


@pytest.mark.parametrize("policy", ["drop", "quarantine"])
def test_a_step_that_fails_on_all_rows_but_one_does_not_stop_the_job(policy: str, tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [*ROWS, {"id": 50, "text": "2024-01-02"}], 3)
    steps = [{"cast": {"columns": {"text": "date"}}}]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps, errors=errors(policy, tmp_path)))
    assert (report.progress.rows_in, report.progress.rows_out, report.progress.rows_failed) == (51, 1, 50)
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == [50]


def test_rejected_rows_are_not_failed_rows(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 2)
    steps = [{"filter": {"where": "id < 0"}}]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps, errors={"policy": "drop"}))
    assert (report.progress.rows_out, report.progress.rows_rejected) == (0, 50)


@pytest.mark.parametrize("policy", ["drop", "quarantine"])
def test_an_input_without_a_readable_record_stops_the_job(policy: str, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"id": broken\n' * 5)
    spec = {"sources": [{"json": {"paths": [str(tmp_path / "in.jsonl")], "schema": {"id": "int64"}}}]}
    with pytest.raises(RowsFailed, match=r"Step read failed on every row \(5\)"):
        run(make_job(tmp_path, tmp_path / "out", errors=errors(policy, tmp_path), **spec))


def test_an_error_with_half_a_character_or_without_text_fails_its_row(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 1)
    steps = [{"map": {"function": "tests.support.engine_functions:raises_oddly"}}]
    job = make_job(tmp_path / "in", tmp_path / "out", steps, errors={"policy": "quarantine", "path": str(tmp_path / "bad")})
    report = run(job)
    assert (report.progress.rows_in, report.progress.rows_out, report.progress.rows_failed) == (50, 48, 2)
    errors_found = [row["_error"] for row in _quarantined(tmp_path / "bad")]
    assert errors_found == ["ValueError: \\ud83d", "Unprintable"]


def _quarantined(folder: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    return [row for file in sorted(folder.rglob("*.parquet")) for row in pq.ParquetFile(file).read().to_pylist()]
