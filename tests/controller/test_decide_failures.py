"""Attempts that fail, are lost or never start, and what happens next."""

from datetime import timedelta
from typing import Any

import pytest

from datajob_controller.runtime.kind import GONE
from datajob_controller.runtime.manifests import rfc3339
from tests.support.reports import report
from tests.support.world import NOW, World, datajob, pod, run_name


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Job entrypoint command failed with exit code 2, last available logs", "InvalidJob"),
        ("Job entrypoint command failed with exit code 3, last available logs", "InputError"),
        ("Job entrypoint command failed with exit code 4, last available logs", "SinkError"),
        ("Job entrypoint command failed with exit code 5, last available logs", "RowsFailed"),
    ],
)
def test_an_error_in_the_job_is_never_retried(world: World, message: str, reason: str) -> None:
    world.set_running()
    world.fails(message)
    assert world.true() == {"Accepted", "Failed", "Stalled", "Finished"}
    assert world.condition("Failed")["reason"] == reason
    assert world.status["attempts"][0]["reason"] == reason
    assert world.events[-1] == reason


def test_a_sink_that_worked_before_is_retried(world: World) -> None:
    world.set_running()
    world.reports(report("failed", message="503 Slow Down", exitCode=4, finished=rfc3339(NOW + timedelta(seconds=5))))
    world.fails("")
    assert world.status["phase"] == "Retrying"
    assert world.status["attempts"][0] | {} == {
        "number": 1,
        "rayJobName": f"{run_name(world.job)}-1",
        "reason": "SinkError",
        "message": "503 Slow Down",
        "started": rfc3339(NOW),
        "finished": rfc3339(NOW),
    }


def test_retries_wait_longer_each_time_and_stop_at_the_limit(world: World) -> None:
    waits = []
    for attempt in range(1, 4):
        assert world.status["attempt"] == attempt
        world.fails()
        assert world.status["phase"] == "Retrying"
        due = world.decide().requeue_at
        assert due
        waits.append((due - world.now).total_seconds())
        world.now = due - timedelta(seconds=1)
        world.settle()
        assert world.status["attempt"] == attempt
        world.now = due
        world.settle()
    assert waits == [10, 20, 40]
    world.fails()
    assert world.true() == {"Accepted", "Failed", "Stalled", "Finished"}
    assert world.status["failures"] == 4
    assert [a["number"] for a in world.status["attempts"]] == [1, 2, 3, 4]
    assert "exit code 1" in world.condition("Failed")["message"]


def test_the_rayjob_of_a_failed_attempt_is_deleted_when_the_next_one_starts(world: World) -> None:
    first = world.status["rayJobName"]
    world.fails()
    assert first in world.ray_jobs
    world.later(10)
    world.settle()
    assert list(world.ray_jobs) == [world.status["rayJobName"]] != [first]


def test_progress_stays_while_the_next_attempt_starts(world: World) -> None:
    world.set_running()
    world.reports(report())
    world.settle()
    world.fails()
    world.later(10)
    world.settle()
    assert world.status["attempt"] == 2
    assert world.status["progress"]["shardsDone"] == 3


def test_the_message_of_an_attempt_is_not_reported_for_a_later_one(world: World) -> None:
    world.reports(report("failed", message="old", exitCode=1))
    world.fails("")
    world.later(10)
    world.settle()
    world.fails("Job entrypoint command failed with exit code 137, last available logs: none")
    assert world.status["attempts"][-1]["reason"] == "OutOfMemory"
    assert "old" not in world.status["attempts"][-1]["message"]


def test_a_rayjob_that_someone_deletes_fails_the_attempt(world: World) -> None:
    world.set_running()
    world.ray_jobs.clear()
    world.settle()
    assert world.status["attempts"][0]["reason"] == "RayJobDeleted"
    world.later(10)
    world.settle()
    assert world.status["attempt"] == 2
    assert len(world.ray_jobs) == 1


def test_a_configmap_that_someone_deletes_is_recreated(world: World) -> None:
    world.set_running()
    world.config_maps.clear()
    assert {one["metadata"]["name"].rpartition("-")[2] for one in world.decide().create} == {"job", "report"}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            {
                "phase": "Failed",
                "containerStatuses": [{"name": "ray-head", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}],
            },
            "OutOfMemory",
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}, "Disrupted"),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "Usage of EmptyDir volume exceeds the limit 1Gi."},
            "ScratchExceeded",
        ),
        ({"phase": "Running", "annotations": {GONE: "true"}}, "HeadLost"),
    ],
)
def test_a_lost_head_ends_the_attempt(world: World, status: dict[str, Any], reason: str) -> None:
    world.set_running()
    world.pods = [pod(world.status["rayJobName"], **status)]
    world.settle()
    assert world.status["attempts"][0]["reason"] == reason
    assert world.ray_jobs == {}


def test_the_next_attempt_waits_until_the_old_head_is_gone(world: World) -> None:
    world.set_running()
    name = world.status["rayJobName"]
    world.fails()
    world.pods = [pod(name, phase="Running")]
    world.later(10)
    world.settle()
    assert world.condition("Reconciling")["reason"] == "PreviousAttemptTerminating"
    world.pods = []
    world.settle()
    assert world.status["attempt"] == 2


def test_the_condition_of_an_unschedulable_pod_names_what_it_requires(world: World) -> None:
    stuck = pod(world.status["rayJobName"], head=False, phase="Pending", conditions=[unschedulable()])
    stuck["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = "2"
    stuck["spec"]["nodeSelector"] = {"nvidia.com/gpu.product": "H100"}
    world.pods = [stuck]
    world.settle()
    said = world.condition("Reconciling")
    assert said["reason"] == "Unschedulable"
    for part in ("2 nvidia.com/gpu", "nvidia.com/gpu.product=H100", "0/3 nodes are available"):
        assert part in said["message"]
    assert world.events[-1] == "Unschedulable"


@pytest.mark.parametrize(
    ("status", "seconds", "reason"),
    [
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "lastTransitionTime": rfc3339(NOW)}]},
            3600,
            "Unschedulable",
        ),
        (
            {
                "startTime": rfc3339(NOW),
                "containerStatuses": [{"name": "ray-head", "image": "x", "state": {"waiting": {"reason": "ImagePullBackOff"}}}],
            },
            300,
            "ImagePullFailed",
        ),
    ],
)
def test_a_pod_that_never_starts_ends_the_attempt(world: World, status: dict[str, Any], seconds: int, reason: str) -> None:
    world.pods = [pod(world.status["rayJobName"], phase="Pending", **status)]
    due = world.settle().requeue_at
    assert due == NOW + timedelta(seconds=seconds)
    assert world.status["phase"] == "Starting"
    world.now = due
    world.settle()
    assert world.status["attempts"][0]["reason"] == reason


def test_workers_that_terminate_repeatedly_end_the_attempt(world: World) -> None:
    ended = {"terminated": {"exitCode": 1, "message": "no such device"}}
    world.pods = [
        pod(
            world.status["rayJobName"],
            head=False,
            name=f"w{i}",
            phase="Failed",
            containerStatuses=[{"name": "ray-worker", "state": ended}],
        )
        for i in range(3)
    ]
    world.settle()
    assert world.status["attempts"][0]["reason"] == "WorkersFailed"
    assert "no such device" in world.status["attempts"][0]["message"]


def unschedulable() -> dict[str, Any]:
    return {
        "type": "PodScheduled",
        "status": "False",
        "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
        "lastTransitionTime": rfc3339(NOW),
    }


REFUSED = {
    "quota": 'pods "x-head" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0',
    "policy": 'pods "x-head" is forbidden: violates PodSecurity "restricted:latest": restricted volume types (volume "h")',
    "account": 'pods "x-head" is forbidden: error looking up service account team-a/nosuch: serviceaccount "nosuch" not found',
}


@pytest.mark.parametrize("obstacle", REFUSED)
def test_pods_that_the_api_server_refuses_are_reported_and_end_the_attempt(world: World, obstacle: str) -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreateHeadPod", "message": REFUSED[obstacle]}
    condition = {**failure, "lastTransitionTime": rfc3339(NOW)}
    world.ray_job["status"] |= {"jobDeploymentStatus": "Initializing", "rayClusterStatus": {"conditions": [condition]}}
    decision = world.settle()
    assert world.condition("Reconciling")["reason"] == "PodsRefused"
    assert REFUSED[obstacle] in world.condition("Reconciling")["message"]
    assert world.events == ["ClusterStarting", "PodsRefused"]
    assert decision.requeue_at == NOW + timedelta(minutes=5)
    world.later(300)
    world.settle()
    assert world.condition("Failed")["reason"] == "PodsRefused"
    assert len(world.status["attempts"]) == 1
    assert world.ray_jobs == {}


def test_a_refusal_that_is_gone_is_no_longer_reported(world: World) -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": "quota", "lastTransitionTime": rfc3339(NOW)}
    world.ray_job["status"]["rayClusterStatus"] = {"conditions": [failure]}
    world.settle()
    world.ray_job["status"]["rayClusterStatus"] = {"conditions": [{**failure, "status": "False"}]}
    world.settle()
    assert world.condition("Reconciling")["reason"] == "ClusterStarting"


@pytest.mark.parametrize(("spec", "seconds"), [({}, 3600), ({"startDeadlineSeconds": 60}, 60)])
def test_a_driver_that_never_starts_ends_its_attempt(spec: dict[str, Any], seconds: int) -> None:
    world = World(datajob(**spec))
    world.settle()
    world.pods = [pod(world.status["rayJobName"], phase="Pending")]
    assert world.settle().requeue_at == NOW + timedelta(seconds=seconds)
    world.later(seconds - 1)
    world.settle()
    assert world.status["phase"] == "Starting"
    world.later(1)
    world.settle()
    assert world.status["attempts"][0]["reason"] == "StartTimeout"
    assert "kubectl describe" in world.status["attempts"][0]["message"]
    assert world.ray_jobs == {}


def test_a_running_driver_has_no_start_deadline() -> None:
    world = World(datajob(startDeadlineSeconds=60))
    world.settle()
    world.set_running()
    world.later(3600)
    assert world.settle().requeue_at is None
    assert world.status["phase"] == "Running"


def test_the_start_deadline_of_a_queued_job_counts_from_its_admission() -> None:
    world = World(datajob(queueName="team-a", startDeadlineSeconds=60))
    world.queue_holds = True
    world.settle()
    world.later(3600)
    world.settle()
    world.ray_job["spec"]["suspend"] = False
    world.ray_job["status"]["startTime"] = rfc3339(world.now)
    world.pods = [pod(world.status["rayJobName"], phase="Pending")]
    world.settle()
    assert world.status["phase"] == "Starting"
    world.later(60)
    world.settle()
    assert world.status["attempts"][0]["reason"] == "StartTimeout"
