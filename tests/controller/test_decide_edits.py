"""Edits by the user, and obstacles of a DataJob."""

from datetime import timedelta

from datajob_controller.datajob.decide import decide
from datajob_controller.runtime.manifests import rfc3339
from datajob_controller.runtime.types import Observed, Obstacle
from tests.support.world import NOW, SETTINGS, UID, World, datajob, run_name


def test_a_suspended_job_has_no_rayjob_and_can_be_resumed(world: World) -> None:
    world.set_running()
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
    assert world.events == ["ClusterStarting", "Suspended", "Resumed", "ClusterStarting"]


def test_a_job_that_is_created_suspended_creates_nothing() -> None:
    world = World(datajob(suspend=True))
    world.settle()
    assert world.ray_jobs == world.config_maps == {}
    assert world.true() == {"Accepted", "Suspended"}
    world.edit(suspend=False)
    world.settle()
    assert world.status["attempt"] == 1


def test_a_suspended_job_does_not_fail_at_its_deadline() -> None:
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
    world.fails()
    world.later(10)
    world.settle()
    assert world.status["attempt"] == 2
    world.later(20)
    world.settle()
    assert world.condition("Failed")["reason"] == "DeadlineExceeded"
    assert world.ray_jobs == {}


def test_an_edited_spec_ends_the_old_run_before_the_new_one_starts(world: World) -> None:
    world.set_running()
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


def test_the_status_names_earlier_runs_until_their_objects_are_deleted(world: World) -> None:
    world.set_running()
    old = run_name(world.job)
    world.edit(sink={"parquet": {"path": "s3://lake/other/"}}, suspend=True)
    world.settle()
    assert world.status["leftoverRuns"] == [old]
    world.edit(suspend=False)
    decision = world.decide()
    assert {one.name for one in decision.delete if one.kind == "Role"} == {old}
    assert "leftoverRuns" not in world.status


def test_a_config_map_in_the_cluster_does_not_name_a_run(world: World) -> None:
    world.set_running()
    world.config_maps["default-deny-job"] = {"metadata": {"name": "default-deny-job", "uid": "x"}}
    world.edit(sink={"parquet": {"path": "s3://lake/other/"}})
    world.decide()
    assert not [one for one in world.decide().delete if "default-deny" in one.name]


def test_an_edit_that_is_reverted_at_once_waits_for_its_rayjob_to_terminate() -> None:
    world = World(datajob(retry={"limit": 0}))
    world.settle()
    first, sink = world.ray_job, world.job["spec"]["sink"]
    world.edit(sink={"parquet": {"path": "s3://lake/other/"}})
    world.decide()
    first["metadata"]["deletionTimestamp"] = rfc3339(world.now)
    world.ray_jobs[first["metadata"]["name"]] = first  # a finalizer of KubeRay keeps it
    world.decide()
    world.edit(sink=sink)
    world.settle()
    assert world.condition("Reconciling")["reason"] == "PreviousAttemptTerminating"
    assert world.status["failures"] == 0
    del world.ray_jobs[first["metadata"]["name"]]
    world.settle()
    assert (world.status["phase"], world.status["attempt"], world.status["failures"]) == ("Starting", 2, 0)


def test_a_suspension_during_the_creation_of_a_rayjob_is_not_a_failure() -> None:
    world = World(datajob(retry={"limit": 0}))
    created = world.decide().create[-1]["metadata"]["name"]
    del world.job["status"]  # the API server refused it, because the user had suspended the job in the meantime
    world.edit(suspend=True)
    terminating = world.ray_jobs[created]
    world.settle()
    terminating["metadata"]["deletionTimestamp"] = rfc3339(world.now)
    world.ray_jobs[created] = terminating
    world.edit(suspend=False)
    world.settle()
    assert world.condition("Reconciling")["reason"] == "PreviousAttemptTerminating"
    del world.ray_jobs[created]
    world.settle()
    assert (world.status["phase"], world.status["failures"]) == ("Starting", 0)


def test_an_edited_lifecycle_field_does_not_affect_the_run(world: World) -> None:
    world.set_running()
    before = dict(world.ray_jobs)
    world.edit(retry={"limit": 9}, ttlSecondsAfterFinished=60, deadlineSeconds=9999)
    world.settle()
    assert world.ray_jobs == before
    assert world.status["observedGeneration"] == 2


def test_a_complete_job_does_not_run_again_on_other_hardware(world: World) -> None:
    world.succeeds()
    world.edit(resources={"workers": {"max": 9}})
    world.settle()
    assert world.status["phase"] == "Complete"
    assert world.status["observedGeneration"] == 2
    world.edit(sink={"parquet": {"path": "s3://lake/other/"}})
    world.settle()
    assert world.status["phase"] == "Starting"


def test_a_failed_job_runs_again_with_more_memory(world: World) -> None:
    world.fails("Job entrypoint command failed with exit code 3")
    world.edit(resources={"workers": {"memory": "64Gi"}})
    world.settle()
    assert world.status["phase"] == "Starting"
    assert "finished" not in world.status


def test_a_finished_job_is_deleted_after_its_time_to_live() -> None:
    world = World(datajob(ttlSecondsAfterFinished=60))
    world.settle()
    world.succeeds()
    assert world.decide().requeue_at == NOW + timedelta(seconds=60)
    world.later(60)
    assert [one.kind for one in world.decide().delete] == ["DataJob"]


def test_nothing_is_done_for_a_job_that_is_being_deleted() -> None:
    job = datajob()
    job["metadata"]["deletionTimestamp"] = rfc3339(NOW)
    decision = decide(job, Observed(), NOW, SETTINGS)
    assert (decision.create, decision.delete, decision.status) == ((), (), None)


def test_an_invalid_spec_names_the_field_and_starts_nothing() -> None:
    world = World(datajob(resources={"workers": {"min": 5, "max": 1}}))
    world.settle()
    assert world.true() == {"Stalled", "Finished"}
    assert world.condition("Accepted")["reason"] == "InvalidSpec"
    assert "spec.resources.workers" in world.condition("Accepted")["message"]
    assert world.ray_jobs == {}
    world.edit(resources={"workers": {"min": 1, "max": 1}})
    world.settle()
    assert world.status["phase"] == "Starting"


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


def test_an_obstacle_is_reported_and_retried() -> None:
    observed = Observed(obstacle=Obstacle("NameTaken", "RayJob x exists."))
    decision = decide(datajob(), observed, NOW, SETTINGS)
    assert decision.status
    stalled = next(c for c in decision.status["conditions"] if c["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "NameTaken")
    assert decision.requeue_at == NOW + timedelta(seconds=30)
    assert "rayJobName" not in decision.status


def test_a_queue_can_suspend_the_rayjob() -> None:
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


def test_kstatus_never_sees_two_states_at_once() -> None:
    world = World(datajob())
    for change in (
        lambda: None,
        lambda: world.set_running(),
        lambda: world.fails(),
        lambda: world.later(10),
        lambda: world.succeeds(),
    ):
        change()
        world.settle()
        assert len(world.true() & {"Reconciling", "Stalled", "Complete", "Suspended"}) == 1
        assert world.status["observedGeneration"] == 1


def test_everything_is_labelled_with_the_uid(world: World) -> None:
    for one in decide(datajob(), Observed(), NOW, SETTINGS).create:
        assert one["metadata"]["labels"]["datajob.io/uid"] == UID
        assert one["metadata"]["ownerReferences"][0]["uid"] == UID
