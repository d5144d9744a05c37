"""Faults in a cluster, and the recovery of DataJobs."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from datajob_controller.runtime.manifests import rfc3339
from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.control_plane.conftest import Start, replace
from tests.support.api import Api
from tests.support.api_jobs import PHASES, Jobs
from tests.support.controller_process import account_kubeconfig
from tests.support.gate import Gate
from tests.support.proxy import proxy_to
from tests.support.reports import report


@pytest.mark.parametrize("phase", PHASES)
def test_a_controller_that_is_killed_in_any_phase_changes_nothing(jobs: Jobs, start: Start, phase: str) -> None:
    first = start()
    jobs.bring_to(phase)
    before, things = jobs.settled(), jobs.owned()
    replace(first, jobs.api, start)
    jobs.edit(ttlSecondsAfterFinished=9999)
    assert _without_generation(jobs.wait_observed()) == _without_generation(before)
    assert jobs.owned() == things


def test_a_new_controller_catches_up_with_what_happened_before_it_started(jobs: Jobs, start: Start) -> None:
    first = start()
    jobs.apply()
    found = jobs.set_running()
    first.kill()
    jobs.set_ray_job_status(found, "SUCCEEDED", "Complete")
    jobs.apply("second")
    replace(first, jobs.api, start)
    jobs.wait_phase("Complete")
    jobs.ray_job(name="second")


def test_the_last_report_completes_a_job_whose_end_kuberay_does_not_notice(jobs: Jobs, start: Start) -> None:
    start(DATAJOB_OBSTACLE_SECONDS="1")
    jobs.apply()
    name = jobs.set_running()["metadata"]["name"]
    output = {"manifest": "s3://lake/out/_datajob/manifest.json", "files": 1, "bytes": 9, "rows": 90}
    finished = rfc3339(datetime.now(UTC) - timedelta(minutes=2))
    reported = {"report.json": report("complete", finished=finished, attempt=1, output=output)}
    jobs.api.patch("configmaps", jobs.namespace, f"{name.rpartition('-')[0]}-report", {"data": reported})
    status = jobs.wait_phase("Complete")
    assert (status["output"]["rows"], status["failures"]) == (90, 0)
    wait_for(lambda: jobs.api.get("rayjobs", jobs.namespace, name) is None, "the RayJob to be deleted")


def test_a_manually_deleted_rayjob_fails_the_attempt(jobs: Jobs, start: Start) -> None:
    start()
    jobs.apply()
    found = jobs.set_running()
    jobs.api.delete("rayjobs", jobs.namespace, found["metadata"]["name"])
    jobs.ray_job(attempt=2)
    assert jobs.status()["attempts"][0]["reason"] == "RayJobDeleted"


def test_a_manually_deleted_configmap_is_recreated(jobs: Jobs, start: Start) -> None:
    start()
    jobs.apply()
    run = jobs.set_running()["metadata"]["name"].rpartition("-")[0]
    for suffix in ("job", "report"):
        name = f"{run}-{suffix}"
        uid = jobs.api.get("configmaps", jobs.namespace, name)["metadata"]["uid"]
        jobs.api.delete("configmaps", jobs.namespace, name)
        wait_for(lambda n=name, u=uid: _uid(jobs, n) not in (None, u), f"{name} to come back")
    assert jobs.status()["phase"] == "Running"


def test_an_object_of_the_same_name_that_belongs_to_others_is_never_touched(jobs: Jobs, start: Start) -> None:
    # The name contains a digest of the UID, so it is known only once the DataJob exists. Suspended, it does not run yet.
    job = jobs.apply(suspend=True)
    controller = start()
    jobs.wait_phase("Suspended")
    name = _first_name(job)
    foreign = {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": name, "namespace": jobs.namespace},
        "spec": {"entrypoint": "sleep 1"},
    }
    jobs.api.create("rayjobs", foreign)
    jobs.edit(suspend=False)
    stalled = jobs.wait_condition("Stalled", "NameTaken")
    assert name in stalled["message"]
    assert jobs.api.get("rayjobs", jobs.namespace, name)["spec"]["entrypoint"] == "sleep 1"
    jobs.api.delete("rayjobs", jobs.namespace, name)
    jobs.edit(retry={"limit": 1})  # or thirty seconds later without an edit
    assert jobs.ray_job()["spec"]["entrypoint"].startswith("python -m datajob.cluster.run")
    assert controller.live()


def test_without_kuberay_a_job_stalls_until_kuberay_is_installed(
    jobs: Jobs, start: Start, control_plane: Cluster, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(control_plane.install_kuberay_crds)
    for crd in ("rayjobs.ray.io", "rayclusters.ray.io"):
        control_plane.kubectl("delete", f"crd/{crd}", "--wait=true")
    start()
    jobs.apply()
    jobs.wait_condition("Stalled", "KubeRayMissing")
    control_plane.install_kuberay_crds()
    jobs.ray_job()
    jobs.succeeds()
    assert jobs.status()["failures"] == 0


def test_an_outage_of_the_api_server_that_is_longer_than_the_lease_loses_nothing(jobs: Jobs, gate: Gate, start: Start) -> None:
    controller = start(DATAJOB_LEASE_SECONDS="20")
    wait_for(controller.leads, "the controller to lead")
    jobs.apply()
    found = jobs.set_running()
    gate.shut()
    jobs.set_ray_job_status(found, "SUCCEEDED", "Complete")
    jobs.apply("second")
    wait_for(lambda: not controller.runs(), "the controller to give up the Lease and exit")
    assert jobs.status()["phase"] == "Running"
    gate.open()
    controller.start()  # as Kubernetes does
    jobs.wait_phase("Complete")
    jobs.ray_job(name="second")


@pytest.mark.parametrize("code", [401, 503])
def test_a_controller_survives_an_api_server_that_refuses_all_requests_for_a_while(
    jobs: Jobs, start: Start, control_plane: Cluster, tmp_path: Path, code: int
) -> None:
    with proxy_to(jobs.api.server) as proxy:
        kubeconfig = account_kubeconfig(jobs.api, control_plane.kubeconfig, tmp_path, proxy.address)
        controller = start(KUBECONFIG=str(kubeconfig), DATAJOB_LEASE_SECONDS="200")
        wait_for(controller.leads, "the controller to lead")
        jobs.apply()
        found = jobs.set_running()
        assert "failed and is restarted" not in controller.log.read_text()
        proxy.fail(code)
        jobs.set_ray_job_status(found, "SUCCEEDED", "Complete")
        wait_for(lambda: "failed and is restarted" in controller.log.read_text(), "the end of the watch")
        proxy.fail(0)
        jobs.wait_phase("Complete")
        assert controller.live()
        controller.stop()


def test_kuberay_can_be_removed_and_installed_again_while_the_controller_runs(
    jobs: Jobs, start: Start, control_plane: Cluster, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(control_plane.install_kuberay_crds)
    controller = start()
    jobs.apply(retry={"limit": 2, "backoffSeconds": 1})
    jobs.set_running()
    for crd in ("rayjobs.ray.io", "rayclusters.ray.io"):
        control_plane.kubectl("delete", f"crd/{crd}", "--wait=true")
    jobs.wait_condition("Stalled", "KubeRayMissing")
    assert controller.live() and controller.ready()
    control_plane.install_kuberay_crds()
    jobs.ray_job(attempt=2)
    jobs.succeeds(attempt=2)


def test_a_silent_watch_is_detected(jobs: Jobs, gate: Gate, start: Start) -> None:
    controller = start(DATAJOB_LEASE_SECONDS="200")
    wait_for(controller.leads, "the controller to lead")
    jobs.apply()
    found = jobs.set_running()
    gate.swallow()
    jobs.set_ray_job_status(found, "SUCCEEDED", "Complete")
    jobs.wait_phase("Complete")


def test_a_namespace_is_deleted_with_everything_in_it(jobs: Jobs, start: Start) -> None:
    controller = start()
    jobs.apply()
    jobs.set_running()
    jobs.api.delete("namespaces", "", jobs.namespace)
    wait_for(lambda: jobs.api.get("namespaces", "", jobs.namespace) is None, "the namespace to go")
    assert controller.errors() == []


def test_a_status_that_conflicts_is_written_again(jobs: Jobs, start: Start) -> None:
    controller = start()
    jobs.apply()
    found = jobs.set_running()
    for number in range(20):  # every edit makes the resource version in the controller's memory outdated
        jobs.api.patch("datajobs", jobs.namespace, "clean", {"metadata": {"annotations": {"edit": str(number)}}})
        if number == 10:
            jobs.set_ray_job_status(found, "SUCCEEDED", "Complete")
    jobs.wait_phase("Complete")
    assert jobs.get()["metadata"]["annotations"]["edit"] == "19"
    assert controller.errors() == []


def test_one_failing_object_never_blocks_the_others(jobs: Jobs, start: Start) -> None:
    controller = start()
    jobs.apply("poison")
    jobs.ray_job(name="poison")
    poisonous = {"attempts": [{"number": 1, "rayJobName": "x", "reason": "X"}], "attempt": 1}
    jobs.api.request("PATCH", *_raw_status(jobs, "poison", poisonous))
    for number in range(5):
        jobs.apply(f"good-{number}")
    for number in range(5):
        jobs.ray_job(name=f"good-{number}")
    assert controller.live()


def test_an_object_that_the_api_server_refuses_is_reported_in_the_status(jobs: Jobs, start: Start) -> None:
    start()
    jobs.apply(runtime={"volumes": [{"name": "x", "emptyDir": {"sizeLimit": {"not": "a quantity"}}}]})
    refused = jobs.wait_condition("Stalled", "RayJobRefused")
    assert "sizeLimit" in refused["message"]


def test_another_replica_takes_over_when_the_leader_is_killed(jobs: Jobs, start: Start) -> None:
    first = start(DATAJOB_LEASE_SECONDS="20")
    wait_for(first.leads, "the first to lead")
    second = start(DATAJOB_LEASE_SECONDS="20")
    wait_for(second.ready, "the second to be ready")
    assert second.metric("datajob_leader") == 0
    first.kill()
    jobs.apply()
    jobs.ray_job()
    assert second.leads()


def test_a_leader_that_is_stopped_hands_over_immediately(api: Api, start: Start) -> None:
    first = start()
    wait_for(first.leads, "the first to lead")
    second = start()
    assert second.metric("datajob_leader") == 0
    first.stop()
    lease = api.get("leases", "datajob-system", "datajob-controller")
    assert lease["spec"]["holderIdentity"] in ("", second.name)  # the second does not wait until the Lease expires
    wait_for(second.leads, "the second to lead")


def test_a_controller_waits_for_the_crd(
    jobs: Jobs, start: Start, control_plane: Cluster, request: pytest.FixtureRequest
) -> None:
    crd = json.loads(control_plane.kubectl("get", "crd/datajobs.datajob.io", "--output=json"))
    bare = {k: crd[k] for k in ("apiVersion", "kind", "spec")} | {"metadata": {"name": crd["metadata"]["name"]}}

    def restore() -> None:
        control_plane.apply(json.dumps(bare))
        control_plane.wait_until_established("datajobs.datajob.io")

    request.addfinalizer(restore)
    control_plane.kubectl("delete", "crd/datajobs.datajob.io", "--wait=true")
    controller = start()
    assert controller.live()
    restore()
    wait_for(controller.leads, "the controller to watch")
    jobs.apply()
    jobs.ray_job()


def _without_generation(status: dict[str, Any]) -> dict[str, Any]:
    conditions = [{k: v for k, v in c.items() if k != "observedGeneration"} for c in status["conditions"]]
    return {**status, "conditions": conditions, "observedGeneration": 0}


def _uid(jobs: Jobs, config_map: str) -> str | None:
    found = jobs.api.get("configmaps", jobs.namespace, config_map)
    return found["metadata"]["uid"] if found else None


def _first_name(job: dict[str, Any]) -> str:
    from datajob_controller.datajob.names import rayjob
    from datajob_controller.datajob.run import current_run

    run, problems = current_run(job)
    assert run, problems
    return rayjob(run.name, 1)


def _raw_status(jobs: Jobs, name: str, status: dict[str, Any]) -> tuple[str, dict[str, Any], str]:
    path = f"apis/datajob.io/v1alpha1/namespaces/{jobs.namespace}/datajobs/{name}/status"
    return path, {"status": status}, "application/merge-patch+json"
