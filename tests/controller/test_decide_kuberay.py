"""KubeRay that does not respond: in each phase, the job states it, and ends where the facts allow it."""

from datetime import timedelta

import pytest

from datajob_controller.datajob.kind import objects_to_verify
from datajob_controller.datajob.names import report_config, run_of_rayjob
from datajob_controller.runtime.kind import GONE
from datajob_controller.runtime.manifests import rfc3339
from datajob_controller.runtime.types import Reference
from tests.support.pod_states import crashed, ready, running
from tests.support.reports import report
from tests.support.world import NOW, World, pod

REASON = "KubeRayNotResponding"


def stated(world: World) -> str | None:
    """The reason of `Reconciling`."""
    world.settle()
    return str(world.condition("Reconciling")["reason"])


def leave_terminating(world: World) -> str:
    """The RayJob of the attempt is deleted, but KubeRay does not remove its finalizer."""
    name = world.status["rayJobName"]
    held = {**world.ray_jobs[name], "metadata": {**world.ray_jobs[name]["metadata"], "deletionTimestamp": rfc3339(world.now)}}
    world.ray_jobs = {name: held}
    return str(name)


def test_pods_that_are_ready_without_a_driver_are_reported(world: World) -> None:
    name = world.status["rayJobName"]
    world.pods = [pod(name, phase="Running", conditions=ready()), pod(name, head=False, name="w", phase="Running")]
    world.later(60)
    assert stated(world) == "ClusterStarting"  # the worker is not ready yet
    world.pods[1]["status"]["conditions"] = ready()
    assert stated(world) == REASON
    assert "has not started the driver" in world.condition("Reconciling")["message"]
    assert world.events[-1] == REASON
    world.set_running()
    assert stated(world) == "DriverRunning"


def test_a_driver_that_reports_is_running_although_kuberay_does_not_state_it(world: World) -> None:
    world.pods = [pod(world.status["rayJobName"], phase="Running", conditions=ready())]
    world.reports(report())
    world.later(2 * 3600)  # beyond the start deadline
    world.settle()
    assert (world.status["phase"], world.status["progress"]["rowsOut"]) == ("Running", 90)


@pytest.mark.parametrize(
    ("state", "code", "phase"), [("complete", None, "Complete"), ("failed", 3, "Failed"), ("failed", 6, "Retrying")]
)
def test_the_last_report_ends_the_attempt_if_kuberay_does_not_notice_the_end(
    world: World, state: str, code: int | None, phase: str
) -> None:
    running(world)
    world.reports(report(state, finished=rfc3339(NOW), message="why", **({"exitCode": code} if code else {})))
    assert world.settle().requeue_at == NOW + timedelta(seconds=60)
    assert stated(world) == "DriverRunning"
    world.later(60)
    assert stated(world) == REASON
    assert "The driver ended" in world.condition("Reconciling")["message"]
    assert world.settle().requeue_at == NOW + timedelta(seconds=300)
    world.later(240)
    world.settle()
    assert world.status["phase"] == phase
    assert world.ray_jobs == {}


def test_a_head_that_is_lost_after_the_driver_completed_costs_no_attempt(world: World) -> None:
    running(world)
    world.reports(report("complete", finished=rfc3339(NOW)))
    world.pods[0]["status"] = crashed()
    world.settle()
    assert (world.status["phase"], world.status["failures"], world.ray_jobs) == ("Complete", 0, {})


def test_a_last_worker_that_is_not_replaced_is_reported_and_ends_the_attempt(world: World) -> None:
    name = running(world)
    world.pods.append(pod(name, head=False, name="w", **crashed()))
    assert world.settle().requeue_at == NOW + timedelta(seconds=60)
    world.later(60)
    assert stated(world) == REASON
    assert "the group workers" in world.condition("Reconciling")["message"]
    world.pods.append(pod(name, head=False, name="w2", phase="Pending"))
    assert stated(world) == "DriverRunning"
    world.pods.pop()
    world.now = NOW + timedelta(seconds=3600)
    world.settle()
    assert world.status["attempts"][0]["reason"] == REASON


def test_a_worker_that_the_autoscaler_removed_needs_no_replacement(world: World) -> None:
    name = running(world)
    world.pods.append(pod(name, head=False, name="w", deleted=NOW, **crashed(143)))
    world.later(120)
    assert stated(world) == "DriverRunning"


def test_workers_that_kuberay_deletes_are_being_replaced(world: World) -> None:
    name = running(world)
    world.pods.append(pod(name, head=False, name="w", annotations={GONE: "true"}, **crashed()))
    world.later(120)
    assert stated(world) == "DriverRunning"


def test_a_suspension_that_does_not_end_the_pods_is_reported(world: World) -> None:
    world.set_running()
    world.job["spec"]["suspend"] = True
    name = world.status["rayJobName"]
    world.decide()
    world.ray_jobs = {}
    world.settle()
    assert world.condition("Suspended")["reason"] == "SuspendedByUser"
    world.ray_jobs = {name: {"metadata": {"name": name, "deletionTimestamp": rfc3339(NOW)}}}
    assert world.settle().requeue_at == NOW + timedelta(seconds=60)
    world.later(60)
    world.settle()
    assert (world.status["phase"], world.status["reason"]) == ("Suspended", REASON)
    assert f"has not removed RayJob {name}" in world.condition("Suspended")["message"]
    world.ray_jobs = {}
    world.settle()
    assert world.condition("Suspended")["reason"] == "SuspendedByUser"


def test_a_next_attempt_that_waits_for_a_stuck_rayjob_states_it(world: World) -> None:
    world.set_running()
    name = leave_terminating(world)
    world.later(59)
    assert stated(world) == "RayJobDeleted"
    world.later(1)
    assert stated(world) == "RayJobDeleted"
    world.later(10)
    assert stated(world) == REASON
    assert name in world.condition("Reconciling")["message"]
    assert objects_to_verify(world.job, world.observed()) == [Reference("RayJob", name)]
    world.ray_jobs = {}
    world.settle()
    assert (world.status["phase"], world.status["attempt"]) == ("Starting", 2)


def test_the_report_of_an_attempt_that_has_ended_is_fetched_unless_it_is_the_last_one(world: World) -> None:
    name = running(world)
    world.reports(report())
    config_map = Reference("ConfigMap", report_config(run_of_rayjob(name)))
    assert objects_to_verify(world.job, world.observed()) == []
    world.ray_job["status"] |= {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}
    assert objects_to_verify(world.job, world.observed()) == [config_map]
    world.reports(report("complete", attempt=2))
    assert objects_to_verify(world.job, world.observed()) == [config_map]
    world.reports(report("complete", attempt=1))
    assert objects_to_verify(world.job, world.observed()) == []
    world.reports(report())
    world.settle()
    assert not objects_to_verify(world.job, world.observed()), "the job has finished"


def test_a_finished_job_states_that_its_pods_can_still_run(world: World) -> None:
    world.fails("Job entrypoint command failed with exit code 3")
    before = world.condition("Finished")
    held = {"metadata": {"name": "stuck", "deletionTimestamp": rfc3339(NOW)}}
    world.ray_jobs = {"stuck": held}
    assert world.settle().requeue_at == NOW + timedelta(seconds=60)
    world.later(60)
    world.settle()
    assert world.condition("Finished")["message"].startswith(before["message"])
    assert "its pods can still run" in world.condition("Finished")["message"]
    world.ray_jobs = {}
    world.settle()
    assert world.condition("Finished") == before
