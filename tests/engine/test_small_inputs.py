"""Who does the work of a small input: the driver by itself, unless its size says nothing about the work."""

from pathlib import Path

import pytest

from datajob.engine.plan.fused import cost_unknown, job_steps
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

ROWS = [{"id": i, "text": "word " * i} for i in range(20)]


@pytest.mark.parametrize(
    ("steps", "workers"),
    [
        ([], False),
        ([{"gopherQuality": {"column": "text"}}, {"exactDedup": {"columns": ["text"]}}], False),
        ([{"map": {"function": "tests.support.engine_functions:refuse_thirteen"}}], True),
        (
            [
                {
                    "custom": {
                        "operator": "tests.support.table_functions:LongerThan",
                        "params": {"column": "text", "characters": 3},
                    }
                }
            ],
            True,
        ),
        ([{"join": {"by": ["id"], "right": {"parquet": {"paths": ["other"]}}}}], True),
    ],
    ids=["nothing to do", "operators of ours", "a user's function", "a user's operator", "another input"],
)
def test_the_work_that_a_small_input_makes_can_be_foreseen(steps: Rows, workers: bool, tmp_path: Path) -> None:
    job = make_job(tmp_path / "in", tmp_path / "out", steps)
    assert cost_unknown(job_steps(job.spec)) is workers


def test_a_driver_in_a_cluster_does_a_small_job_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # nobody is there
    write_parts(tmp_path / "in", ROWS, 2)
    run(make_job(tmp_path / "in", tmp_path / "out"), executor="auto", in_cluster=True)
    assert read_manifest(tmp_path / "out") == ROWS
