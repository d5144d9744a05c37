"""The NetworkPolicies of jobs and of the controller, enforced (by kube-router on a node without Docker, by kindnet on kind).

The KubeRay operator has the labels that its Helm chart gives it.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from datajob.api.contract import AGENT_PORT, DASHBOARD_PORT, HEAD_CONTAINER, LABEL_UID, METRICS_PORT, WORKER_CONTAINER
from hack.cluster.cluster import Cluster
from hack.cluster.s3 import NAMESPACE as S3
from hack.cluster.s3 import PORT as S3_PORT
from hack.cluster.waiting import wait_for
from tests.controller.test_networkpolicy import CHART
from tests.support.api import Api
from tests.support.install import SYSTEM
from tests.support.node_jobs import DOCUMENTS, NodeJobs
from tests.support.probe import Probe, start_probe

GCS_PORT = 6379
CLIENT_PORT = 10001
RAY_PORTS = (DASHBOARD_PORT, GCS_PORT, CLIENT_PORT, METRICS_PORT, AGENT_PORT)
S3_SERVICE = f"s3.{S3}.svc.cluster.local"


@pytest.fixture(scope="module")
def kuberay_of_chart(installed: Cluster) -> None:
    """Replace the Deployment of the KubeRay operator by one with the labels of its chart; selectors are immutable."""
    found = json.loads(installed.kubectl("-n", "default", "get", "deploy/kuberay-operator", "-o", "json"))
    template = found["spec"]["template"]
    template["metadata"]["labels"] = dict(CHART)
    spec = {**found["spec"], "selector": {"matchLabels": dict(CHART)}, "template": template}
    meta = {"name": "kuberay-operator", "namespace": "default", "labels": dict(CHART)}
    installed.kubectl("-n", "default", "delete", "deploy/kuberay-operator", "--wait=true")
    installed.apply(json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}))
    installed.kubectl("-n", "default", "rollout", "status", "deploy/kuberay-operator", "--timeout=600s")


@pytest.fixture
def stranger(api: Api, installed: Cluster, namespace: str) -> Iterator[Probe]:
    """A pod of another tenant with all the labels of a Ray worker."""
    other = api.create_namespace("e2e-stranger")
    labels = {
        "app.kubernetes.io/name": "kuberay",
        "app.kubernetes.io/created-by": "kuberay-operator",
        "app.kubernetes.io/managed-by": "datajob-controller",
        "ray.io/is-ray-node": "yes",
        "ray.io/node-type": "worker",
        "ray.io/group": "workers",
        LABEL_UID: "another-job",
    }
    yield start_probe(installed, other, labels)
    api.delete("namespaces", "", other)


@pytest.mark.usefixtures("s3_in_cluster")
def test_policies_are_enforced(api: Api, installed: Cluster, namespace: str) -> None:
    """Without this, the other tests of this file would show nothing."""
    probe = start_probe(installed, namespace)
    place = f"{S3_SERVICE}:{S3_PORT}"
    wait_until_reached(probe, place)
    deny = {"podSelector": {}, "policyTypes": ["Egress"]}
    meta = {"name": "deny", "namespace": namespace}
    api.create(
        "networkpolicies", {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": deny}
    )
    wait_for(lambda: not probe.reaches(place), "the policy to be enforced", 300)


@pytest.mark.usefixtures("kuberay_of_chart")
def test_the_sample_completes_where_policies_are_enforced(jobs: NodeJobs) -> None:
    jobs.sample("clean-docs-s3.yaml")
    status = jobs.wait_end("clean-docs")
    assert (status["phase"], status["failures"]) == ("Complete", 0), jobs.describe()
    assert status["output"]["rows"] > 0


@pytest.mark.usefixtures("kuberay_of_chart")
def test_a_stranger_reaches_no_port_of_a_job(jobs: NodeJobs, installed: Cluster, stranger: Probe) -> None:
    disabled = {"stringData": {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "mine"}}  # `envFrom` must not replace them
    jobs.api.patch("secrets", jobs.namespace, "s3", disabled)
    jobs.slow(seconds_per_batch=0.3)
    jobs.wait_running()  # KubeRay has submitted the job, so it reaches the dashboard
    (worker,) = jobs.pods(**{"ray.io/node-type": "worker"})
    (head,) = jobs.heads()
    places = {_ip(pod): [f"{_ip(pod)}:{port}" for port in RAY_PORTS] for pod in (head, worker)}
    own = Probe(installed, jobs.namespace, worker["metadata"]["name"], WORKER_CONTAINER)
    wait_until_reached(own, *(f"{_ip(head)}:{port}" for port in (DASHBOARD_PORT, GCS_PORT, METRICS_PORT)))
    assert own.status_of(f"http://{_ip(head)}:{DASHBOARD_PORT}/api/jobs/") == 401
    assert own.status_of(f"http://{_ip(head)}:{DASHBOARD_PORT}/api/jobs/", token="mine") in (401, 403)
    driver = Probe(installed, jobs.namespace, head["metadata"]["name"], HEAD_CONTAINER)
    wait_until_reached(driver, f"{_ip(worker)}:{METRICS_PORT}")
    for pod in places.values():
        assert stranger.reaches(*pod) == set()
    assert own.resolves(S3_SERVICE)
    wait_until_reached(own, f"{S3_SERVICE}:{S3_PORT}")
    neighbor = start_probe(installed, jobs.namespace)
    assert neighbor.reaches(*places[_ip(head)], *places[_ip(worker)]) == set()
    status = jobs.wait_end("slow")
    assert (status["phase"], status["output"]["rows"]) == ("Complete", DOCUMENTS), jobs.describe()


def test_only_prometheus_reaches_the_metrics_of_the_controller(api: Api, installed: Cluster, stranger: Probe) -> None:
    wait_for(lambda: len(_controllers(api)) == 2, "both replicas to run", 300)
    places = [f"{_ip(pod)}:8080" for pod in _controllers(api)]
    assert stranger.reaches(*places) == set()
    api.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}})
    try:
        prometheus = start_probe(installed, "monitoring")
        wait_until_reached(prometheus, *places)
    finally:
        api.delete("namespaces", "", "monitoring")


def wait_until_reached(probe: Probe, *places: str) -> None:
    """Wait until a pod can connect to all these places."""
    wait_for(lambda: probe.reaches(*places) == set(places), f"{places} to be reached", 300)


def _controllers(api: Api) -> list[dict[str, Any]]:
    pods = api.list("pods", SYSTEM, "app.kubernetes.io/name%3Ddatajob-controller")
    return [pod for pod in pods if pod["status"].get("podIP") and "deletionTimestamp" not in pod["metadata"]]


def _ip(pod: dict[str, Any]) -> str:
    return str(pod["status"]["podIP"])
