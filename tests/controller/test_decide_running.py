"""Workers, heads and autoscalers that fail while the driver runs, and attempts that Kubernetes disrupts."""

from datetime import timedelta

import pytest

from datajob.api.contract import OUT_OF_MEMORY
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.manifests import Manifest, rfc3339
from tests.support.pod_states import NOT_FOUND, UNSCHEDULABLE, crashed, disrupted, ready, running, waiting
from tests.support.reports import report
from tests.support.world import NOW, World, datajob, pod


@pytest.mark.parametrize("status", [UNSCHEDULABLE, waiting("ImagePullBackOff", NOT_FOUND)], ids=["capacity", "image"])
def test_a_group_without_any_worker_ends_the_attempt_while_the_driver_runs(world: World, status: Manifest) -> None:
    name = running(world)
    world.pods.append(pod(name, head=False, name="cpu", phase="Running", conditions=ready()))
    world.pods.append(pod(name, head=False, name="gpu", group="accelerator", **status))
    due = world.settle().requeue_at
    reason = world.condition("Reconciling")["reason"]
    assert world.status["phase"] == "Running"
    assert world.true() == {"Accepted", "Running", "Reconciling"}
    assert world.events[-1] == reason != "DriverRunning"
    assert due is not None
    world.now = due
    world.settle()
    assert (world.status["phase"], world.condition("Failed")["reason"]) == ("Failed", reason)
    assert world.ray_jobs == {}


def test_a_group_with_a_worker_continues_without_a_second_one(world: World) -> None:
    name = running(world)
    world.pods.append(pod(name, head=False, name="a", phase="Running", conditions=ready()))
    world.pods.append(pod(name, head=False, name="b", **UNSCHEDULABLE))
    assert world.settle().requeue_at is None
    assert world.condition("Reconciling")["reason"] == "Unschedulable"
    world.later(7200)
    world.settle()
    assert world.status["phase"] == "Running"
    world.pods.pop()
    world.settle()
    assert world.condition("Reconciling")["reason"] == "DriverRunning"


def test_an_autoscaler_that_ended_ends_the_attempt(world: World) -> None:
    running(world)
    ended = {"name": "autoscaler", "state": {"terminated": {"exitCode": 1, "message": "no route to host"}}}
    world.pods[0]["status"]["containerStatuses"] = [ended]
    world.settle()
    assert world.status["attempts"][0]["reason"] == "AutoscalerFailed"
    assert "no route to host" in world.status["attempts"][0]["message"]
    assert world.status["phase"] == "Retrying"


def test_a_head_whose_node_does_not_respond_ends_the_attempt(world: World) -> None:
    running(world)
    world.pods[0]["metadata"]["deletionTimestamp"] = rfc3339(NOW)
    assert world.settle().requeue_at == NOW + timedelta(seconds=30)
    assert world.status["phase"] == "Running"
    world.later(60)
    world.settle()
    assert world.status["attempts"][0]["reason"] == "HeadLost"
    world.later(10)
    world.settle()
    assert world.status["attempt"] == 2


def test_a_head_that_is_not_ready_is_reported_and_then_lost(world: World) -> None:
    running(world)
    world.pods[0]["status"]["conditions"] = ready("False")
    world.settle()
    assert world.condition("Reconciling")["reason"] == "DriverRunning"
    world.later(120)
    world.settle()
    assert world.condition("Reconciling")["reason"] == "PodNotReady"
    world.later(480)
    world.settle()
    assert world.status["attempts"][0]["reason"] == "HeadLost"


@pytest.mark.parametrize(
    ("status", "reason", "named", "phase"),
    [
        (crashed(137, "OOMKilled"), "OutOfMemory", "spec.resources.workers.memory", "Retrying"),
        (crashed(3), "WorkersFailed", "with exit code 3: boom", "Retrying"),
        (crashed(127, message="ray: command not found"), "InvalidImage", "ray: command not found", "Failed"),
    ],
)
def test_workers_that_terminate_repeatedly_end_a_running_attempt(
    world: World, status: Manifest, reason: str, named: str, phase: str
) -> None:
    name = running(world)
    world.pods += [pod(name, head=False, name=f"w{i}", **status) for i in range(5)]
    world.settle()
    assert world.status["phase"] == "Running"
    world.pods.append(pod(name, head=False, name="w5", **status))
    world.settle()
    attempt = world.status["attempts"][0]
    assert (attempt["reason"], world.status["phase"]) == (reason, phase)
    assert named in attempt["message"]
    assert "group workers" in attempt["message"]


def test_workers_of_a_large_group_may_terminate(world: World) -> None:
    name = running(world)
    world.pods += [pod(name, head=False, name=f"w{i}", **crashed()) for i in range(6)]
    world.pods += [pod(name, head=False, name=f"r{i}", phase="Running", conditions=ready()) for i in range(6)]
    world.settle()
    assert world.status["phase"] == "Running"


def test_disrupted_workers_do_not_count_as_crashes(world: World) -> None:
    name = running(world)
    target = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    world.pods += [pod(name, head=False, name=f"w{i}", conditions=[target], **crashed()) for i in range(6)]
    world.settle()
    assert world.status["phase"] == "Running"


def test_crashes_of_long_ago_do_not_count(world: World) -> None:
    name = running(world)
    world.pods += [pod(name, head=False, name=f"w{i}", **crashed()) for i in range(6)]
    world.later(601)
    world.settle()
    assert world.status["phase"] == "Running"


def test_a_disruption_does_not_consume_a_retry() -> None:
    world = World(datajob(retry={"limit": 0, "backoffSeconds": 10}), JobSettings(max_disruptions=2))
    world.settle()
    for number in (1, 2):
        world.set_running()
        world.pods = [pod(world.status["rayJobName"], **disrupted())]
        world.settle()
        assert (world.status["phase"], world.status["disruptions"], world.status["failures"]) == ("Retrying", number, 0)
        attempt = world.status["attempts"][-1]
        assert (attempt["reason"], attempt["interrupted"]) == ("Disrupted", True)
        assert "EvictionByEvictionAPI: drain" in attempt["message"]
        assert f"Attempt {number} was interrupted, which does not count" in world.condition("Reconciling")["message"]
        world.pods = []
        world.later(10)
        world.settle()
        assert world.status["attempt"] == number + 1
    world.set_running()
    world.pods = [pod(world.status["rayJobName"], **disrupted())]
    world.settle()
    assert (world.status["phase"], world.status["failures"]) == ("Failed", 1)
    assert "more than 2 times" in world.condition("Failed")["message"]
    assert "interrupted" not in world.status["attempts"][-1]


def test_a_failed_rayjob_whose_head_was_disrupted_is_a_disruption(world: World) -> None:
    world.set_running()
    world.pods = [pod(world.status["rayJobName"], **disrupted())]
    world.fails("the job supervisor was lost")
    assert world.status["attempts"][0]["reason"] == "Disrupted"


def test_the_deadline_does_not_run_while_a_queue_has_preempted_the_job() -> None:
    world = World(datajob(queueName="team-a", deadlineSeconds=60))
    world.settle()
    world.set_running()
    world.later(50)
    world.ray_job["spec"]["suspend"] = True
    world.later(3600)
    world.settle()
    assert (world.status["phase"], world.status.get("started")) == ("Pending", None)
    world.ray_job["spec"]["suspend"] = False
    world.settle()
    world.later(59)
    world.settle()
    assert world.status["phase"] == "Running"
    world.later(1)
    world.settle()
    assert world.condition("Failed")["reason"] == "DeadlineExceeded"


def test_workers_that_exceeded_their_memory_are_the_reason_of_a_shard_that_terminates_them(world: World) -> None:
    name = running(world)
    world.pods.append(pod(name, head=False, name="w1", **crashed(137, "OOMKilled")))
    world.reports(report("failed", message="Every process that ran shard 3 terminated", exitCode=7))
    world.fails("")
    attempt = world.status["attempts"][0]
    assert (attempt["reason"], world.status["phase"]) == ("OutOfMemory", "Failed")
    assert "shard 3" in attempt["message"]
    assert "Worker pod w1 (group workers, node unknown) terminated with exit code 137 (OOMKilled)" in attempt["message"]


def test_a_shard_that_ran_out_of_memory_according_to_its_driver_has_that_reason(world: World) -> None:
    running(world)
    world.reports(report("failed", message=f"{OUT_OF_MEMORY}Every process that ran shard 3 terminated", exitCode=7))
    world.fails("")
    assert (world.status["attempts"][0]["reason"], world.status["phase"]) == ("OutOfMemory", "Failed")


@pytest.mark.parametrize(("group", "phase"), [("accelerator", "Failed"), ("acc", "Failed"), ("workers", "Running")])
def test_refused_pods_end_the_attempt_if_their_group_has_no_worker(world: World, group: str, phase: str) -> None:
    name = running(world)
    world.pods.append(pod(name, head=False, name="cpu", phase="Running", conditions=ready()))
    message = (
        f'pods "{name}-abcde-{group}-worker-x7k2p" is forbidden: exceeded quota: q, requested: a=2, used: a=0, limited: a=1'
    )
    failure = {"type": "ReplicaFailure", "status": "True", "message": message, "lastTransitionTime": rfc3339(NOW)}
    world.ray_job["status"]["rayClusterStatus"] = {"conditions": [failure]}
    world.settle()
    assert (world.status["phase"], world.condition("Reconciling")["reason"]) == ("Running", "PodsRefused")
    world.later(300)
    world.settle()
    assert world.status["phase"] == phase


@pytest.mark.parametrize(
    ("code", "ended_after", "crashes"),
    [(143, 12, False), (137, 0, False), (1, 5, False), (1, -3, True), (1, 0, True), (143, -3, True)],
)
def test_workers_that_are_stopped_are_not_crashes(world: World, code: int, ended_after: int, crashes: bool) -> None:
    name = running(world)
    asked = NOW - timedelta(seconds=ended_after)
    for number in range(6):
        worker = pod(name, head=False, name=f"w{number}", deleted=asked + timedelta(seconds=15), **crashed(code))
        worker["metadata"]["deletionGracePeriodSeconds"] = 15
        world.pods.append(worker)
    world.settle()
    assert (world.status["phase"] == "Retrying") is crashes


def test_a_head_that_started_late_is_not_lost(world: World) -> None:
    """Its image was pulled for a long time, during which the pod was not ready either."""
    running(world)
    world.later(900)
    started = {"name": "ray-head", "state": {"running": {"startedAt": rfc3339(world.now)}}}
    world.pods[0]["status"] |= {"conditions": ready("False"), "containerStatuses": [started]}
    world.settle()
    assert world.condition("Reconciling")["reason"] == "DriverRunning"


def test_the_problem_of_a_group_without_workers_is_not_hidden_by_an_older_one(world: World) -> None:
    name = running(world)
    world.pods.append(pod(name, head=False, name="a", phase="Running", conditions=ready()))
    world.pods.append(pod(name, head=False, name="b", **waiting("ImagePullBackOff", NOT_FOUND)))
    world.pods.append(pod(name, head=False, name="gpu", group="accelerator", **UNSCHEDULABLE))
    due = world.settle().requeue_at
    assert world.condition("Reconciling")["reason"] == "Unschedulable"
    assert due == NOW + timedelta(hours=1)
    world.now = due
    world.settle()
    assert world.condition("Failed")["reason"] == "Unschedulable"


@pytest.mark.parametrize(
    ("code", "reason"), [(-15, "Disrupted"), (1, "Disrupted"), (3, "InputError"), (6, "StorageUnavailable")]
)
def test_a_driver_that_a_drain_ends_is_disrupted_unless_it_stated_its_error(world: World, code: int, reason: str) -> None:
    running(world)
    world.pods[0]["status"]["conditions"] = [*ready(), *disrupted()["conditions"]]
    world.fails(f"Job entrypoint command failed with exit code {code}, last available logs: none")
    assert world.status["attempts"][0]["reason"] == reason
