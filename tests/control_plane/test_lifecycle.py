"""The lifecycle of a DataJob on a real API server with a real controller; the test writes the status of RayJobs."""

import pytest

from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.support.api_jobs import PHASES, Jobs
from tests.support.reports import report

pytestmark = pytest.mark.usefixtures("controller")


def test_a_job_goes_from_its_manifest_to_its_result(jobs: Jobs, control_plane: Cluster) -> None:
    jobs.apply()
    found = jobs.set_running()
    name = f"{found['metadata']['name'].rpartition('-')[0]}-report"
    jobs.api.patch("configmaps", jobs.namespace, name, {"data": {"report.json": report()}})
    wait_for(lambda: jobs.status().get("progress", {}).get("percent") == 30, "progress in the status")
    output = {"manifest": "s3://lake/out/_datajob/manifest.json", "files": 1, "bytes": 10, "rows": 90}
    jobs.api.patch("configmaps", jobs.namespace, name, {"data": {"report.json": report("complete", output=output)}})
    jobs.succeeds()
    wait_for(lambda: jobs.status().get("output") == output, "the output in the status")
    wait = ("wait", "--for=condition=Complete", "dj/clean", "-n", jobs.namespace, "--timeout=240s")
    assert "condition met" in control_plane.kubectl(*wait)
    columns = control_plane.kubectl("get", "dj", "-n", jobs.namespace)
    assert "PHASE" in columns and "Complete" in columns and "90" in columns
    assert sorted(event["reason"] for event in jobs.wait_event("Completed")) == ["ClusterStarting", "Completed"]


def test_deleting_a_job_in_any_phase_leaves_nothing(jobs: Jobs) -> None:
    for phase in PHASES:
        jobs.bring_to(phase)
        jobs.api.delete("datajobs", jobs.namespace, "clean")
        wait_for(lambda: not jobs.owned() and not jobs.get(), f"everything to go after {phase}: {jobs.owned()}")


def test_no_object_has_a_finalizer(jobs: Jobs) -> None:
    jobs.apply()
    found = jobs.ray_job()
    assert "finalizers" not in jobs.get()["metadata"]
    assert "finalizers" not in found["metadata"]


def test_applying_the_same_job_twice_changes_nothing(jobs: Jobs) -> None:
    jobs.apply()
    jobs.set_running()
    jobs.settled()
    before, things = jobs.get(), jobs.owned()
    after = jobs.apply()
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["status"] == before["status"]
    assert jobs.owned() == things


def test_a_failed_attempt_is_retried_and_its_log_is_kept(jobs: Jobs) -> None:
    jobs.apply()
    jobs.set_running()
    jobs.fails("Job entrypoint command failed with exit code 1, last available logs:\nboom")
    jobs.ray_job(attempt=2)
    attempt = jobs.status()["attempts"][0]
    assert attempt["reason"] == "DriverFailed"
    assert "boom" in attempt["message"]
    jobs.succeeds(attempt=2)
    jobs.wait_event("DriverFailed")


def test_an_error_in_the_job_fails_it_immediately(jobs: Jobs) -> None:
    jobs.apply()
    jobs.fails("Job entrypoint command failed with exit code 3, last available logs:\nno such bucket")
    failed = jobs.wait_condition("Failed", "InputError")
    assert "no such bucket" in failed["message"]
    assert jobs.condition("Stalled")["status"] == "True"


def test_a_suspended_job_continues_when_it_is_resumed(jobs: Jobs) -> None:
    jobs.apply()
    first = jobs.set_running()
    jobs.edit(suspend=True)
    jobs.wait_phase("Suspended")
    wait_for(lambda: not jobs.api.get("rayjobs", jobs.namespace, first["metadata"]["name"]), "the RayJob to go")
    jobs.edit(suspend=False)
    jobs.ray_job(attempt=2)
    assert jobs.status()["failures"] == 0


def test_an_edited_spec_starts_a_new_run_and_the_old_objects_are_deleted(jobs: Jobs) -> None:
    jobs.apply()
    first = jobs.set_running()["metadata"]["name"]
    jobs.edit(sink={"parquet": {"path": "s3://lake/other/"}})
    wait_for(lambda: jobs.status().get("rayJobName") not in (None, first), "another RayJob")
    jobs.succeeds()
    run = jobs.status()["rayJobName"].rpartition("-")[0]
    wait_for(lambda: all(run in one for one in jobs.owned()), f"the old objects to go: {jobs.owned()}")


def test_a_deadline_ends_a_job(jobs: Jobs) -> None:
    jobs.apply()
    jobs.set_running()
    jobs.edit(deadlineSeconds=1)
    jobs.wait_condition("Failed", "DeadlineExceeded")
    wait_for(lambda: not jobs.api.list("rayjobs", jobs.namespace), "the RayJob to go")


def test_pods_that_the_api_server_refuses_are_reported(jobs: Jobs) -> None:
    jobs.apply(retry={"limit": 0})
    message = 'pods "x-head" is forbidden: exceeded quota: none'
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreateHeadPod", "message": message}
    cluster = {"conditions": [{**failure, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    jobs.set_ray_job_status(jobs.ray_job(), "", "Initializing", rayClusterStatus=cluster)
    failed = jobs.wait_condition("Failed", "PodsRefused")
    assert message in failed["message"]


def test_a_driver_that_never_starts_ends_the_attempt(jobs: Jobs) -> None:
    jobs.apply(startDeadlineSeconds=2, retry={"limit": 0})
    jobs.wait_condition("Failed", "StartTimeout")
    wait_for(lambda: not jobs.api.list("rayjobs", jobs.namespace), "the RayJob to go")


def test_a_finished_job_is_deleted_after_its_time_to_live(jobs: Jobs) -> None:
    jobs.apply(ttlSecondsAfterFinished=2)
    jobs.set_ray_job_status(jobs.ray_job(), "SUCCEEDED", "Complete")
    wait_for(lambda: not jobs.get(), "the DataJob to go")


def test_changes_of_kueue_to_a_rayjob_are_kept(jobs: Jobs) -> None:
    jobs.apply(queueName="team-a")
    found = jobs.ray_job()
    assert found["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    name = found["metadata"]["name"]
    jobs.api.patch("rayjobs", jobs.namespace, name, {"spec": {"suspend": True}})
    jobs.wait_condition("Reconciling", "Queued")
    jobs.settled()
    assert jobs.api.get("rayjobs", jobs.namespace, name)["spec"]["suspend"] is True
    jobs.api.patch("rayjobs", jobs.namespace, name, {"spec": {"suspend": False}})
    jobs.wait_phase("Starting")
