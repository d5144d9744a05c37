"""The entrypoint of the workload runs the job that the controller mounts, and its exit code has a reason in the status."""

from pathlib import Path
from typing import Any

import pytest

from datajob.api.contract import ENV_EXECUTOR, ENV_RUN_ID, JOB_FILE
from datajob.cluster.run import main
from datajob_controller.datajob.objects.configmaps import job_configmap
from datajob_controller.datajob.policy.failure import ray_job_failure
from tests.support.local_jobs import read_manifest, write_parts
from tests.support.world import SETTINGS, datajob, ray_job

ENVIRONMENT = {ENV_EXECUTOR: "local", ENV_RUN_ID: "run-1"}
ROWS = [{"id": number} for number in range(10)]


def mounted(folder: Path, **spec: Any) -> str:
    """The job file in a pod, for a DataJob with this spec."""
    write_parts(folder / "in", ROWS, 2)
    paths = {"sources": [{"parquet": {"paths": [f"{folder}/in"]}}], "sink": {"parquet": {"path": f"{folder}/out"}}}
    path = folder / JOB_FILE
    path.write_text(job_configmap(datajob(**{**paths, **spec}), "run")["data"][JOB_FILE])
    return str(path)


def test_a_completed_run_does_not_run_again(tmp_path: Path) -> None:
    path = mounted(tmp_path)
    assert main(path, ENVIRONMENT) == 0
    assert read_manifest(tmp_path / "out") == ROWS
    written = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("*.parquet")}
    assert main(path, ENVIRONMENT) == 0
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("*.parquet")} == written


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"steps": [{"filter": {"where": "id >"}}]}, "InvalidJob"),
        ({"sources": [{"parquet": {"paths": ["/no/such/folder/"]}}]}, "InputError"),
        ({"sink": {"parquet": {"path": "/proc/no-folder"}}}, "SinkError"),
        ({"steps": [{"filter": {"where": "id / 0 = error('bad row')"}}]}, "RowsFailed"),
    ],
)
def test_every_final_error_of_the_workload_has_a_reason_in_the_status(
    tmp_path: Path, spec: dict[str, Any], reason: str
) -> None:
    code = main(mounted(tmp_path, **spec), ENVIRONMENT)
    message = f"Job entrypoint command failed with exit code {code}, last available logs (truncated to 20,000 chars):"
    failure = ray_job_failure(
        ray_job("run-1", jobDeploymentStatus="Failed", reason="AppFailed", message=message), None, SETTINGS
    )
    assert (failure.reason, failure.retried) == (reason, False)
