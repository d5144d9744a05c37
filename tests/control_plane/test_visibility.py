"""What users see of a job with kubectl."""

import pytest

from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.support.api_jobs import Jobs

pytestmark = pytest.mark.usefixtures("controller")
INVALID = {"steps": [{"limit": {"count": 5}}, {"filter": {"where": "length(text) >> > 20"}}]}


@pytest.mark.parametrize(
    ("outcome", "phase", "reason"),
    [("succeeds", "Complete", "Succeeded"), ("fails", "Failed", "InputError"), ("invalid", "Invalid", "InvalidSpec")],
)
def test_kubectl_wait_ends_for_every_outcome(jobs: Jobs, control_plane: Cluster, outcome: str, phase: str, reason: str) -> None:
    jobs.apply(**(INVALID if outcome == "invalid" else {}))
    if outcome == "succeeds":
        jobs.succeeds()
    elif outcome == "fails":
        jobs.fails("Job entrypoint command failed with exit code 3")
    wait = ("wait", "--for=condition=Finished", "dj/clean", "-n", jobs.namespace, "--timeout=240s")
    assert "condition met" in control_plane.kubectl(*wait)
    header, row = control_plane.kubectl("get", "dj", "-o", "wide", "-n", jobs.namespace).splitlines()
    assert header.split()[:2] == ["NAME", "PHASE"] and "REASON" in header
    assert row.split()[1] == phase and reason in row.split()
    if outcome == "invalid":
        message = jobs.condition("Accepted")["message"]
        assert message.startswith("spec.steps[1].filter: `length(text) >> > 20` is not a valid SQL expression")
        assert not jobs.owned()


def test_an_edit_of_a_running_job_is_visible(jobs: Jobs) -> None:
    jobs.apply()
    first = jobs.set_running()["metadata"]["name"]
    jobs.edit(steps=[{"limit": {"count": 5}}])
    wait_for(lambda: jobs.status().get("rayJobName", first) != first, "another run")
    (attempt,) = jobs.status()["attempts"]
    assert (attempt["rayJobName"], attempt["reason"]) == (first, "Restarted")
    found = [event["message"] for event in jobs.wait_event("Restarted") if event["reason"] == "Restarted"]
    assert found == ["Restarted because spec.steps[0] changed."]


def test_a_restart_runs_a_complete_job_again(jobs: Jobs) -> None:
    jobs.apply()
    jobs.succeeds()
    first = jobs.status()
    jobs.edit(restart={"id": "2"})
    wait_for(lambda: jobs.status()["phase"] == "Starting", "another run")
    assert jobs.status()["publicRunId"] != first["publicRunId"]
    jobs.succeeds()
    assert "Complete" in jobs.status()["phase"]


def test_raising_the_retry_limit_continues_a_failed_job(jobs: Jobs) -> None:
    jobs.apply(retry={"limit": 0, "backoffSeconds": 0})
    jobs.fails("Job entrypoint command failed with exit code 1")
    jobs.wait_condition("Finished", "RetryLimitReached")
    jobs.edit(retry={"limit": 1})
    jobs.succeeds(attempt=2)
    assert jobs.status()["failures"] == 1
