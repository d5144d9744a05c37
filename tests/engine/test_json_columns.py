"""Columns of JSON text pass through every kind of step and are written back as the values that they were."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.local_jobs import make_job, run

LINES = [
    '{"id":1,"call":{"name":"a","n":1.10}}',
    '{"id":2,"call":{"name":"b","x":[0.1234567890123456789,"\\u00e9"]}}',
    '{"id":3,"call":{}}',
]


def keep(row: dict[str, Any]) -> dict[str, Any]:
    return row


def keep_all(rows: Any) -> Any:
    return rows


@pytest.mark.parametrize(
    "step",
    [
        {"filter": {"where": "id > 0"}},
        {"rename": {"columns": {"call": "c"}}},
        {"compute": {"columns": {"name": "call->>'$.name'"}}},
        {"distinct": {"columns": ["call"]}},
        {"exactDedup": {"columns": ["call"]}},
        {"sort": {"by": ["id"]}},
        {"shuffle": {}},
        {"groupBy": {"by": ["id"], "aggregates": {"call": {"function": "first", "column": "call"}}}},
        {"map": {"function": "tests.engine.test_json_columns:keep"}},
        {"mapBatches": {"function": "tests.engine.test_json_columns:keep_all", "batchFormat": "pandas"}},
        {"mapBatches": {"function": "tests.engine.test_json_columns:keep_all", "batchFormat": "pyarrow"}},
    ],
    ids=lambda step: next(iter(step)),
)
@pytest.mark.parametrize("sink", ["json", "parquet"])
def test_json_text_survives_every_kind_of_step(tmp_path: Path, step: dict[str, Any], sink: str) -> None:
    (tmp_path / "x.jsonl").write_text("\n".join(LINES))
    source = [{"json": {"paths": [str(tmp_path / "x.jsonl")]}}]
    out = tmp_path / "out"
    run(make_job(tmp_path, out, [step], sources=source, sink={sink: {"path": str(out)}}))
    if sink == "parquet":
        last = tmp_path / "last"
        run(make_job(out, last, sink={"json": {"path": str(last)}}))
        out = last
    found = {line for file in out.glob("*.jsonl") for line in file.read_text().splitlines()}
    values = {line.split('"call":', 1)[1][:-1] for line in LINES}
    assert {json.loads(line)["id"] for line in found} == {1, 2, 3}
    assert all(any(value in line for line in found) for value in values)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["drop", "quarantine"])
def test_a_job_takes_at_most_four_times_as_long_if_30000_of_its_lines_are_bad(tmp_path: Path, policy: str) -> None:
    """In CPU time, including the start of the command. The limit is three times, plus the noise of a busy machine."""
    good = [f'{{"id":{i},"v":{i}}}' for i in range(60_000)]
    mixed = [line if i % 2 else line.replace(f'"v":{i}', '"v":"x"') for i, line in enumerate(good)]
    assert cpu_seconds(tmp_path / "bad", mixed, policy, 30_000) <= 4 * cpu_seconds(tmp_path / "good", good, policy, 0)


def cpu_seconds(folder: Path, lines: list[str], policy: str, failed: int) -> float:
    """CPU seconds of the command for a job that reads the lines."""
    folder.mkdir()
    (folder / "x.jsonl").write_text("\n".join(lines))
    errors = {"policy": policy, **({"path": str(folder / "bad")} if policy == "quarantine" else {})}
    source = [{"json": {"paths": [str(folder / "x.jsonl")]}}]
    job = make_job(folder, folder / "out", sources=source, errors=errors)
    (folder / "job.json").write_text(job.model_dump_json(by_alias=True, exclude_unset=True))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "datajob.cli", "run", str(folder / "job.json")], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows = sum(pq.read_metadata(file).num_rows for file in (folder / "out").glob("*.parquet"))
    assert rows == len(lines) - failed
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("policy", ["drop", "quarantine"])
def test_many_bad_lines_cost_little_more_than_good_ones(tmp_path: Path, policy: str) -> None:
    lines = [f'{{"id":{i},"v":{i if i % 2 else json.dumps("x")}}}' for i in range(30_000)]
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    errors = {"policy": policy, **({"path": str(tmp_path / "bad")} if policy == "quarantine" else {})}
    source = [{"json": {"paths": [str(tmp_path / "x.jsonl")]}}]
    job = make_job(tmp_path, tmp_path / "out", sources=source, errors=errors)
    report = run(job, shard_bytes=None)
    assert (report.progress.rows_out, report.progress.rows_failed) == (15_000, 15_000)
    assert report.seconds < 20
