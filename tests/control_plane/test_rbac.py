"""Least privilege: the permissions of the controller and of a job."""

import pytest

from hack.cluster.cluster import Cluster, KubectlFailed
from hack.cluster.waiting import wait_for
from tests.support.api import Api, Refused
from tests.support.api_jobs import Jobs
from tests.support.controller_process import NAMESPACE, ControllerProcess


def test_the_roles_of_the_controller_are_sufficient(jobs: Jobs, controller: ControllerProcess) -> None:
    jobs.apply()
    jobs.set_running()
    jobs.succeeds()
    jobs.edit(ttlSecondsAfterFinished=0)
    # Nothing can be created in namespaces of earlier tests, which are being deleted. The job above needs all its objects.
    requests = [line for line in _requests(controller) if 'verb="POST"' not in line]
    assert [line for line in requests if 'code="403"' in line] == []


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "api/v1/namespaces/{ns}/secrets"),
        ("GET", "api/v1/nodes"),
        ("GET", "api/v1/namespaces"),
        ("DELETE", "api/v1/namespaces/{ns}/pods/x"),
        ("GET", "api/v1/namespaces/{ns}/pods/x/log"),
        ("PATCH", "apis/datajob.io/v1alpha1/namespaces/{ns}/datajobs/x"),
        ("PATCH", "apis/ray.io/v1/namespaces/{ns}/rayjobs/x"),
        ("GET", "apis/apps/v1/namespaces/{ns}/deployments"),
        ("GET", "apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
        ("PUT", "apis/coordination.k8s.io/v1/namespaces/" + NAMESPACE + "/leases/other"),
    ],
)
def test_the_controller_may_not(api: Api, namespace: str, verb: str, path: str) -> None:
    account = api.as_account(NAMESPACE, "datajob-controller")
    body = None if verb == "GET" else {}
    with pytest.raises(Refused) as refused:
        account.request(verb, path.format(ns=namespace), body, "application/merge-patch+json")
    assert refused.value.code == 403


def test_a_job_can_patch_its_report_and_nothing_else(jobs: Jobs, controller: ControllerProcess) -> None:
    jobs.apply()
    jobs.apply("other")
    run, other = (jobs.ray_job(name=name)["metadata"]["name"].rpartition("-")[0] for name in ("clean", "other"))
    job, ns = jobs.api.as_account(jobs.namespace, run), jobs.namespace

    def reported() -> bool:
        try:
            return bool(job.patch("configmaps", ns, f"{run}-report", {"data": {"report.json": "{}"}}))
        except Refused as refused:
            assert refused.code == 403
            return False

    wait_for(reported, "the role of the job to be in force")
    assert job.get("configmaps", ns, f"{run}-report")["data"] == {"report.json": "{}"}
    forbidden = [
        ("PATCH", f"api/v1/namespaces/{ns}/configmaps/{run}-job"),
        ("PATCH", f"api/v1/namespaces/{ns}/configmaps/{other}-report"),
        ("GET", f"api/v1/namespaces/{ns}/configmaps"),
        ("POST", f"api/v1/namespaces/{ns}/configmaps"),
        ("DELETE", f"api/v1/namespaces/{ns}/configmaps/{run}-report"),
        ("GET", f"api/v1/namespaces/{ns}/secrets"),
        ("GET", f"api/v1/namespaces/{ns}/pods"),
        ("POST", f"api/v1/namespaces/{ns}/pods"),
        ("GET", f"apis/datajob.io/v1alpha1/namespaces/{ns}/datajobs/clean"),
        ("PATCH", f"apis/datajob.io/v1alpha1/namespaces/{ns}/datajobs/clean/status"),
        ("POST", f"api/v1/namespaces/{ns}/serviceaccounts/{run}/token"),
    ]
    for verb, path in forbidden:
        with pytest.raises(Refused) as refused:
            content = "application/merge-patch+json" if verb == "PATCH" else "application/json"
            job.request(verb, path, None if verb in ("GET", "DELETE") else {}, content)
        assert refused.value.code == 403, path


def test_users_who_can_edit_a_namespace_can_edit_its_jobs(control_plane: Cluster, namespace: str) -> None:
    control_plane.kubectl("create", "rolebinding", "ann", "--clusterrole=edit", "--user=ann", "-n", namespace)
    control_plane.kubectl("create", "rolebinding", "bob", "--clusterrole=view", "--user=bob", "-n", namespace)

    def may(user: str, verb: str) -> bool:
        try:
            control_plane.kubectl("auth", "can-i", verb, "datajobs.datajob.io", f"--as={user}", "-n", namespace)
        except KubectlFailed:
            return False
        return True

    wait_for(lambda: may("ann", "create") and may("bob", "get"), "the bindings to be in force")
    assert not may("bob", "create")


def _requests(controller: ControllerProcess) -> list[str]:
    name = "datajob_api_request_seconds_count{"
    return [line for line in controller.get("metrics").splitlines() if line.startswith(name)]
