"""`datajob logs NAME` finds the log of an attempt whose pods are gone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.support.api_jobs import Jobs
from tests.support.reports import report

pytestmark = pytest.mark.usefixtures("controller")


def test_the_log_of_each_attempt_is_shown(jobs: Jobs, control_plane: Cluster, tmp_path: Path) -> None:
    (tmp_path / "kubectl").symlink_to(control_plane.kubectl_program)
    environment = {**os.environ, "KUBECONFIG": str(control_plane.kubeconfig), "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def logs(*options: str) -> str:
        command = [sys.executable, "-m", "datajob.cli", "logs", "clean", "--namespace", jobs.namespace, *options]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    jobs.apply(retry={"limit": 1, "backoffSeconds": 0})
    for attempt in (1, 2):
        path = tmp_path / f"20260101T00000{attempt}Z-{attempt}.log"
        path.write_text(f"log of attempt {attempt}\n")
        name = f"{jobs.set_running(attempt)['metadata']['name'].rpartition('-')[0]}-report"
        reported = report(attempt=attempt, log=str(path))
        jobs.api.patch("configmaps", jobs.namespace, name, {"data": {"report.json": reported}})
        wait_for(lambda found=str(path): jobs.status().get("log") == found, "the path of the log in the status")
        if attempt == 1:
            jobs.fails("Job entrypoint command failed with exit code 1")
    jobs.succeeds(attempt=2)
    assert logs() == logs("--attempt", "2") == "log of attempt 2\n"
    assert logs("--attempt", "1") == "log of attempt 1\n"
