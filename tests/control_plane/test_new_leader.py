"""A new leader decides nothing before it knows everything."""

from pathlib import Path
from typing import Any

from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.control_plane.conftest import Start, replace
from tests.support.api import Api
from tests.support.api_jobs import Jobs
from tests.support.api_services import NAME, apply, eventually, model, report, status
from tests.support.controller_process import NAMESPACE, account_kubeconfig
from tests.support.proxy import proxy_to


def create_head(api: Api, ray_job: dict[str, Any]) -> None:
    """Create the head pod of an attempt, which may still run its driver."""
    meta, cluster = ray_job["metadata"], f"{ray_job['metadata']['name']}-abcde"
    within = {"namespace": meta["namespace"]}
    body = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": cluster, **within}}
    template = {"spec": {"containers": [{"name": "ray-head", "image": "x"}]}}
    spec = {"headGroupSpec": {"rayStartParams": {}, "template": template}}
    made = api.create("rayclusters", {**body, "spec": spec})
    owner = {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "name": cluster,
        "uid": made["metadata"]["uid"],
        "controller": True,
    }
    labels = {**meta["labels"], "ray.io/cluster": cluster, "ray.io/node-type": "head"}
    head = {"name": f"{cluster}-head", **within, "labels": labels, "ownerReferences": [owner]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": head, **template}
    api.create("pods", {**pod, "spec": {**template["spec"], "automountServiceAccountToken": False}})


def test_a_new_leader_knows_the_pods_before_it_starts_an_attempt(
    jobs: Jobs, start: Start, api: Api, control_plane: Cluster, tmp_path: Path
) -> None:
    first = start()
    wait_for(first.leads, "the first controller to lead")
    jobs.apply(retry={"limit": 3, "backoffSeconds": 3})
    ray_job = jobs.ray_job()
    create_head(api, ray_job)
    jobs.fails("Job entrypoint command failed with exit code 1")
    jobs.wait_phase("Retrying")
    first.kill()
    api.delete("leases", NAMESPACE, "datajob-controller")  # otherwise, it expires a minute later
    folder = tmp_path / "slow"
    folder.mkdir()
    with proxy_to(api.server) as proxy:
        proxy.delay("/pods", 5)
        kubeconfig = account_kubeconfig(api, control_plane.kubeconfig, folder, proxy.address)
        second = start(KUBECONFIG=str(kubeconfig))
        wait_for(second.leads, "the second controller to lead")
        reason = "PreviousAttemptTerminating"
        wait_for(lambda: jobs.condition("Reconciling").get("reason") != "DriverFailed", "a decision of the second")
        assert jobs.condition("Reconciling")["reason"] == reason
        assert jobs.status()["attempt"] == 1
        second.stop()


def test_a_new_leader_continues_an_update_of_a_service(api: Api, namespace: str, start: Start) -> None:
    first = start()
    apply(api, namespace, update="surge")
    report(api, namespace, "RUNNING")
    eventually(lambda: "lastGood" in status(api, namespace), "the model to count as loaded")
    api.patch("modelservices", namespace, NAME, {"spec": {"model": {"textGeneration": {"model": "org/second"}}}})
    eventually(lambda: model(api, namespace) == "org/second", "the edit to be rolled out")
    first.kill()
    report(api, namespace, "DEPLOY_FAILED", "out of memory")
    second = replace(first, api, start)
    eventually(lambda: model(api, namespace) == "org/first", "the last good model")
    eventually(lambda: status(api, namespace).get("failed", {}).get("message") == "out of memory", "the failure in the status")
    assert not second.errors()
