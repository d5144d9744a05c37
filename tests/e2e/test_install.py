"""The installed chart: its own test, and user IDs that the cluster chooses."""

import json
from collections.abc import Iterator

import pytest

from hack.cluster.cluster import Cluster
from tests.support.install import CHART, SYSTEM, helm
from tests.support.node_jobs import NodeJobs

USER = 1000660000
"""A user ID as OpenShift assigns it. It has no entry in /etc/passwd of any image."""


def test_the_test_of_the_chart_passes_on_a_node(installed: Cluster) -> None:
    assert "Phase:          Succeeded" in helm(installed, "test", "datajob", "--timeout", "10m")


@pytest.fixture
def with_assigned_user(installed: Cluster) -> Iterator[None]:
    """The controller and the pods of jobs with such a user ID."""
    rollout = ("-n", SYSTEM, "rollout", "status", "deployment/datajob-controller", "--timeout=600s")
    values = f"podSecurityContext.runAsUser={USER},podSecurityContext.fsGroup={USER},settings.run_as_user={USER}"
    helm(installed, "upgrade", "datajob", str(CHART), "--reuse-values", "--set", values)
    installed.kubectl(*rollout)
    yield
    helm(installed, "rollback", "datajob")
    installed.kubectl(*rollout)


def test_a_job_runs_with_a_user_id_that_the_images_do_not_contain(jobs: NodeJobs, with_assigned_user: None) -> None:
    jobs.sample("clean-docs-s3.yaml")
    status = jobs.wait_end("clean-docs")
    assert status["phase"] == "Complete", jobs.describe()
    assert status["output"]["rows"] > 0
    controllers = json.loads(jobs.cluster.kubectl("-n", SYSTEM, "get", "pods", "-o", "json"))["items"]
    used = {
        pod["spec"]["securityContext"].get("runAsUser") for pod in controllers if "deletionTimestamp" not in pod["metadata"]
    }
    assert used == {USER}
