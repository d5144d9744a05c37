"""The life of a DataJob, decided again and again: each test tells one story."""

from datetime import timedelta
from typing import Any

import pytest

from controller.decide import decide
from controller.manifests import rfc3339
from controller.observed import Observed, Obstacle
from controller.policy.pods import GONE
from tests.controller.jobs import NOW, SETTINGS, UID, World, datajob, pod, run_name
from tests.controller.reports import report

ALL_CONDITIONS = ["Accepted", "Running", "Complete", "Failed", "Suspended", "Reconciling", "Stalled"]


@pytest.fixture
def world() -> World:
    """A DataJob that was just applied."""
    made = World(datajob())
    made.settle()
    return made


def runs(world: World) -> None:
    world.ray_job["status"] |= {"jobStatus": "RUNNING", "jobDeploymentStatus": "Running"}
    world.settle()


def fails(world: World, message: str = "ended with exit code 1", reason: str = "AppFailed") -> None:
    world.ray_job["status"] |= {"jobStatus": "FAILED", "jobDeploymentStatus": "Failed", "reason": reason, "message": message}
    world.settle()


def succeeds(world: World) -> None:
    world.ray_job["status"] |= {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}
    world.settle()


def test_a_new_job_gets_its_rayjob_last_and_everything_else_before(world: World) -> None:
    kinds = [one["kind"] for one in decide(datajob(), Observed(), NOW, SETTINGS).create]
    assert kinds == ["ConfigMap", "ConfigMap", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "RayJob"]
    assert world.status["phase"] == "Starting"
    assert world.status["rayJobName"] == f"{run_name(world.job)}-1"
    assert world.true() == {"Accepted", "Reconciling"}


def test_a_whole_life_takes_few_writes(world: World) -> None:
    runs(world)
    succeeds(world)
    assert world.true() == {"Accepted", "Complete"}
    assert world.status["phase"] == "Complete"
    assert world.told == ["ClusterStarting", "Completed"]
    assert world.writes <= 12


def test_all_conditions_are_there_from_the_first_status_on(world: World) -> None:
    assert [c["type"] for c in world.status["conditions"]] == ALL_CONDITIONS
    assert all(c["reason"] and c["observedGeneration"] == 1 for c in world.status["conditions"])


def test_a_transition_time_moves_only_with_the_status_of_its_condition(world: World) -> None:
    world.later(60)
    runs(world)
    assert world.condition("Running")["lastTransitionTime"] == rfc3339(NOW + timedelta(seconds=60))
    assert world.condition("Accepted")["lastTransitionTime"] == rfc3339(NOW)


def test_the_status_shows_what_the_driver_reports(world: World) -> None:
    runs(world)
    world.reports(report())
    world.settle()
    assert world.status["progress"]["percent"] == 30
    assert world.status["steps"][0]["rejected"] == {"short": 10}
    world.reports(report("complete", output={"manifest": "s3://m.json", "files": 2, "bytes": 9, "rows": 90}))
    succeeds(world)
    assert world.status["output"] == {"manifest": "s3://m.json", "files": 2, "bytes": 9, "rows": 90}
    assert world.condition("Complete")["message"] == "The job is complete: 90 rows written."


def test_a_last_report_that_comes_after_the_end_still_counts(world: World) -> None:
    succeeds(world)
    world.reports(report("complete", output={"manifest": "s3://m.json", "files": 2, "bytes": 9, "rows": 90}))
    world.settle()
    assert world.status["output"]["rows"] == 90
    assert world.status["phase"] == "Complete"


@pytest.mark.parametrize("text", ["", "not json", '{"state": "from the future"}'])
def test_an_unreadable_report_changes_nothing(world: World, text: str) -> None:
    runs(world)
    before = world.status
    world.reports(text)
    world.settle()
    assert world.status == before


# Failure and retry


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
    runs(world)
    fails(world, message)
    assert world.true() == {"Accepted", "Failed", "Stalled"}
    assert world.condition("Failed")["reason"] == reason
    assert world.status["attempts"][0]["reason"] == reason
    assert world.told[-1] == reason


def test_a_sink_that_worked_before_is_tried_again(world: World) -> None:
    runs(world)
    world.reports(report("failed", message="503 Slow Down", exitCode=4, finished=rfc3339(NOW + timedelta(seconds=5))))
    fails(world, "")
    assert world.status["phase"] == "Retrying"
    assert world.status["attempts"][0] | {} == {
        "number": 1,
        "rayJobName": f"{run_name(world.job)}-1",
        "reason": "SinkError",
        "message": "503 Slow Down",
        "started": rfc3339(NOW),
        "finished": rfc3339(NOW),
    }


def test_retries_wait_longer_each_time_and_end(world: World) -> None:
    waits = []
    for attempt in range(1, 4):
        assert world.status["attempt"] == attempt
        fails(world)
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
    fails(world)
    assert world.true() == {"Accepted", "Failed", "Stalled"}
    assert world.status["failures"] == 4
    assert [a["number"] for a in world.status["attempts"]] == [1, 2, 3, 4]
    assert "exit code 1" in world.condition("Failed")["message"]


def test_the_failed_rayjob_of_an_attempt_goes_when_the_next_one_comes(world: World) -> None:
    first = world.status["rayJobName"]
    fails(world)
    assert first in world.ray_jobs
    world.later(10)
    world.settle()
    assert list(world.ray_jobs) == [world.status["rayJobName"]] != [first]


def test_progress_stays_while_the_next_attempt_starts(world: World) -> None:
    runs(world)
    world.reports(report())
    world.settle()
    fails(world)
    world.later(10)
    world.settle()
    assert world.status["attempt"] == 2
    assert world.status["progress"]["shardsDone"] == 3


def test_the_message_of_an_earlier_attempt_is_not_told_of_a_later_one(world: World) -> None:
    world.reports(report("failed", message="old", exitCode=1, finished=rfc3339(NOW)))
    fails(world, "")
    world.later(10)
    world.settle()
    fails(world, "killed by SIGKILL")
    assert world.status["attempts"][-1]["reason"] == "OutOfMemory"
    assert "old" not in world.status["attempts"][-1]["message"]


def test_a_rayjob_that_someone_deletes_costs_an_attempt(world: World) -> None:
    runs(world)
    world.ray_jobs.clear()
    world.settle()
    assert world.status["attempts"][0]["reason"] == "RayJobDeleted"
    world.later(10)
    world.settle()
    assert world.status["attempt"] == 2
    assert len(world.ray_jobs) == 1


def test_a_configmap_that_someone_deletes_comes_back(world: World) -> None:
    runs(world)
    world.config_maps.clear()
    assert {one["metadata"]["name"].rpartition("-")[2] for one in world.decide().create} == {"job", "report"}


# Pods


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
        ({"phase": "Failed", "reason": "Evicted", "message": "low on disk"}, "HeadFailed"),
        ({"phase": "Running", "annotations": {GONE: "true"}}, "HeadLost"),
    ],
)
def test_a_lost_head_ends_the_attempt(world: World, status: dict[str, Any], reason: str) -> None:
    runs(world)
    world.pods = [pod(world.status["rayJobName"], **status)]
    world.settle()
    assert world.status["attempts"][0]["reason"] == reason
    assert world.ray_jobs == {}


def test_a_next_attempt_waits_until_the_old_head_is_gone(world: World) -> None:
    runs(world)
    name = world.status["rayJobName"]
    fails(world)
    world.pods = [pod(name, phase="Running")]
    world.later(10)
    world.settle()
    assert world.condition("Reconciling")["reason"] == "PreviousEnding"
    world.pods = []
    world.settle()
    assert world.status["attempt"] == 2


def test_a_pod_that_cannot_be_scheduled_names_what_it_needs(world: World) -> None:
    stuck = pod(world.status["rayJobName"], head=False, phase="Pending", conditions=[unschedulable()])
    stuck["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = "2"
    stuck["spec"]["nodeSelector"] = {"nvidia.com/gpu.product": "H100"}
    world.pods = [stuck]
    world.settle()
    said = world.condition("Reconciling")
    assert said["reason"] == "Unschedulable"
    for part in ("2 nvidia.com/gpu", "nvidia.com/gpu.product=H100", "0/3 nodes are available"):
        assert part in said["message"]
    assert world.told[-1] == "Unschedulable"


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


def test_workers_that_end_again_and_again_end_the_attempt(world: World) -> None:
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
    assert world.status["attempts"][0]["reason"] == "WorkersFail"
    assert "no such device" in world.status["attempts"][0]["message"]


def unschedulable() -> dict[str, Any]:
    return {
        "type": "PodScheduled",
        "status": "False",
        "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
        "lastTransitionTime": rfc3339(NOW),
    }


# The author's wishes


def test_a_suspended_job_has_no_rayjob_and_goes_on_later(world: World) -> None:
    runs(world)
    world.edit(suspend=True)
    world.settle()
    assert world.ray_jobs == {}
    assert world.true() == {"Accepted", "Suspended"}
    assert world.status["attempts"][0]["reason"] == "Suspended"
    world.later(3600)
    world.edit(suspend=False)
    world.settle()
    assert world.status["attempt"] == 2
    assert world.status["failures"] == 0
    assert world.status["started"] == rfc3339(world.now)
    assert world.told == ["ClusterStarting", "Suspended", "Resumed", "ClusterStarting"]


def test_a_job_that_is_born_suspended_makes_nothing() -> None:
    world = World(datajob(suspend=True))
    world.settle()
    assert world.ray_jobs == world.config_maps == {}
    assert world.true() == {"Accepted", "Suspended"}
    world.edit(suspend=False)
    world.settle()
    assert world.status["attempt"] == 1


def test_a_suspended_job_is_not_failed_by_its_deadline() -> None:
    world = World(datajob(deadlineSeconds=60))
    world.settle()
    world.edit(suspend=True)
    world.settle()
    world.later(3600)
    world.settle()
    assert world.true() == {"Accepted", "Suspended"}


def test_the_deadline_spans_all_attempts() -> None:
    world = World(datajob(deadlineSeconds=60))
    assert world.settle().requeue_at == NOW + timedelta(seconds=60)
    world.later(30)
    fails(world)
    world.later(10)
    world.settle()
    assert world.status["attempt"] == 2
    world.later(20)
    world.settle()
    assert world.condition("Failed")["reason"] == "DeadlineExceeded"
    assert world.ray_jobs == {}


def test_an_edited_recipe_ends_the_old_run_before_the_new_one_begins(world: World) -> None:
    runs(world)
    old = world.status["rayJobName"]
    world.edit(sink={"parquet": {"path": "s3://lake/other/"}})
    decision = world.decide()
    assert [one.name for one in decision.delete] == [old]
    assert not decision.create
    decision = world.decide()
    assert decision.create[-1]["kind"] == "RayJob"
    assert {one.kind for one in decision.delete} >= {"ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "ConfigMap"}
    world.settle()
    assert (world.status["attempt"], world.status["failures"]) == (1, 0)
    assert world.status["observedGeneration"] == 2


def test_an_edited_policy_leaves_the_run_alone(world: World) -> None:
    runs(world)
    before = dict(world.ray_jobs)
    world.edit(retry={"limit": 9}, ttlSecondsAfterFinished=60, deadlineSeconds=9999)
    world.settle()
    assert world.ray_jobs == before
    assert world.status["observedGeneration"] == 2


def test_a_complete_job_is_not_run_again_for_other_hardware(world: World) -> None:
    succeeds(world)
    world.edit(resources={"workers": {"max": 9}})
    world.settle()
    assert world.status["phase"] == "Complete"
    assert world.status["observedGeneration"] == 2
    world.edit(sink={"parquet": {"path": "s3://lake/other/"}})
    world.settle()
    assert world.status["phase"] == "Starting"


def test_a_failed_job_is_run_again_with_more_memory(world: World) -> None:
    fails(world, "ended with exit code 3")
    world.edit(resources={"workers": {"memory": "64Gi"}})
    world.settle()
    assert world.status["phase"] == "Starting"
    assert "finished" not in world.status


def test_a_finished_job_goes_when_its_time_has_come() -> None:
    world = World(datajob(ttlSecondsAfterFinished=60))
    world.settle()
    succeeds(world)
    assert world.decide().requeue_at == NOW + timedelta(seconds=60)
    world.later(60)
    assert [one.kind for one in world.decide().delete] == ["DataJob"]


def test_a_job_that_is_being_deleted_is_left_alone() -> None:
    job = datajob()
    job["metadata"]["deletionTimestamp"] = rfc3339(NOW)
    decision = decide(job, Observed(), NOW, SETTINGS)
    assert (decision.create, decision.delete, decision.status) == ((), (), None)


# What stands in the way


def test_a_spec_that_cannot_run_says_where_and_starts_nothing() -> None:
    world = World(datajob(resources={"workers": {"min": 5, "max": 1}}))
    world.settle()
    assert world.true() == {"Stalled"}
    assert world.condition("Accepted")["reason"] == "InvalidSpec"
    assert "spec.resources.workers" in world.condition("Accepted")["message"]
    assert world.ray_jobs == {}
    world.edit(resources={"workers": {"min": 1, "max": 1}})
    world.settle()
    assert world.status["phase"] == "Starting"


def test_a_spec_that_becomes_invalid_stops_what_runs(world: World) -> None:
    runs(world)
    world.edit(resources={"workers": {"min": 5, "max": 1}})
    world.settle()
    assert world.ray_jobs == {}
    assert world.true() == {"Stalled"}


def test_without_kuberay_the_job_waits_and_recovers() -> None:
    world = World(datajob())
    world.kuberay = False
    world.settle()
    assert world.true() == {"Accepted", "Stalled"}
    assert world.condition("Stalled")["reason"] == "KubeRayMissing"
    world.kuberay = True
    world.settle()
    assert world.true() == {"Accepted", "Reconciling"}
    assert world.status["attempt"] == 1


def test_an_obstacle_is_named_and_tried_again() -> None:
    observed = Observed(obstacle=Obstacle("NameTaken", "RayJob x exists."))
    decision = decide(datajob(), observed, NOW, SETTINGS)
    assert decision.status
    stalled = decision.status["conditions"][-1]
    assert (stalled["status"], stalled["reason"]) == ("True", "NameTaken")
    assert decision.requeue_at == NOW + timedelta(seconds=30)
    assert "rayJobName" not in decision.status


def test_a_queue_may_hold_the_rayjob_back() -> None:
    world = World(datajob(queueName="team-a", deadlineSeconds=60))
    world.queue_holds = True
    world.settle()
    assert world.condition("Reconciling")["reason"] == "Queued"
    assert "started" not in world.status
    world.later(600)
    world.ray_job["spec"]["suspend"] = False
    world.settle()
    assert world.status["phase"] == "Starting"
    assert world.status["started"] == rfc3339(world.now)


def test_kstatus_never_sees_two_answers() -> None:
    world = World(datajob())
    for change in (lambda: None, lambda: runs(world), lambda: fails(world), lambda: world.later(10), lambda: succeeds(world)):
        change()
        world.settle()
        assert len(world.true() & {"Reconciling", "Stalled", "Complete", "Suspended"}) == 1
        assert world.status["observedGeneration"] == 1


def test_the_uid_is_part_of_what_everything_is_labelled_with(world: World) -> None:
    for one in decide(datajob(), Observed(), NOW, SETTINGS).create:
        assert one["metadata"]["labels"]["datajob.io/uid"] == UID
        assert one["metadata"]["ownerReferences"][0]["uid"] == UID
