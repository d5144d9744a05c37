"""Small inputs are processed by the driver itself, unless their size does not indicate the work."""

from pathlib import Path

import pytest

from datajob.engine.options import RunOptions
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
    ids=["no steps", "built-in operators", "a user function", "a user operator", "a second source"],
)
def test_user_code_and_further_sources_make_the_cost_unknown(steps: Rows, workers: bool, tmp_path: Path) -> None:
    job = make_job(tmp_path / "in", tmp_path / "out", steps)
    assert cost_unknown(job_steps(job.spec)) is workers


def test_a_driver_in_a_cluster_processes_a_small_input_itself(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 2)
    unreachable = "127.0.0.1:1"
    run(make_job(tmp_path / "in", tmp_path / "out"), executor="auto", in_cluster=True, ray_address=unreachable)
    assert read_manifest(tmp_path / "out") == ROWS


def test_options_take_the_cluster_and_the_image_from_the_environment() -> None:
    environment = {"RAY_ADDRESS": "10.0.0.1:6379", "DATAJOB_IMAGE": "registry/image@sha256:1"}
    options = RunOptions.from_environment(environment, executor="local", ray_address=None)
    assert (options.ray_address, options.image, options.executor) == ("10.0.0.1:6379", "registry/image@sha256:1", "local")
    assert RunOptions.from_environment(environment, ray_address="auto").ray_address == "auto"
    assert RunOptions.from_environment({}) == RunOptions()


def test_shards_of_another_image_are_not_reused(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 2)
    job = make_job(tmp_path / "in", tmp_path / "out", sink={"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}})
    run(job, image="first")
    assert run(job, image="second").shards_reused == 0
    assert run(job, image="second").shards_reused > 0
