"""ModelServices on a real API server. The test writes what KubeRay, which does not run, would write."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from hack.cluster.waiting import SECONDS, wait_for
from tests.support.api import Api
from tests.support.controller_process import ControllerProcess

NAME = "qwen"
SPEC: dict[str, Any] = {
    "model": {"textGeneration": {"model": "org/first", "device": "cpu"}},
    "auth": {"secretName": "keys"},
}


@pytest.fixture(autouse=True)
def _served(controller: ControllerProcess) -> None:
    """A controller for the whole cluster."""


def apply(api: Api, namespace: str, **spec: Any) -> None:
    meta = {"name": NAME, "namespace": namespace}
    made = {"apiVersion": "datajob.io/v1alpha1", "kind": "ModelService", "metadata": meta, "spec": {**SPEC, **spec}}
    api.apply("modelservices", made)


def status(api: Api, namespace: str) -> dict[str, Any]:
    return dict((api.get("modelservices", namespace, NAME) or {}).get("status") or {})


def wait_phase(api: Api, namespace: str, phase: str, reason: str = "") -> dict[str, Any]:
    def reached() -> bool:
        found = status(api, namespace)
        return found.get("phase") == phase and reason in ("", found.get("reason"))

    wait_for(reached, f"{phase} {reason}: {status(api, namespace)}", SECONDS)
    return status(api, namespace)


def ray_service(api: Api, namespace: str) -> dict[str, Any]:
    return dict(wait_for(lambda: api.get("rayservices", namespace, NAME), "the RayService"))


def report(api: Api, namespace: str, application: str, message: str = "") -> None:
    """Write the status of the RayService as KubeRay does, for its present generation."""
    found = ray_service(api, namespace)
    applications = {NAME: {"status": application, "message": message, "serveDeploymentStatuses": {}}}
    active = {"rayClusterName": f"{NAME}-abcde", "applicationStatuses": applications}
    written = {"observedGeneration": found["metadata"]["generation"], "activeServiceStatus": active}
    api.patch("rayservices", namespace, NAME, {"status": written}, "status")


def make_cluster(api: Api, namespace: str) -> None:
    """Make the Ray cluster of the RayService as KubeRay does."""
    found = ray_service(api, namespace)
    owner = {"apiVersion": "ray.io/v1", "kind": "RayService", "name": NAME, "uid": found["metadata"]["uid"], "controller": True}
    meta = {"name": f"{NAME}-abcde", "namespace": namespace, "labels": found["metadata"]["labels"], "ownerReferences": [owner]}
    api.create(
        "rayclusters",
        {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": meta, "spec": found["spec"]["rayClusterConfig"]},
    )


def model(api: Api, namespace: str) -> str:
    """The model in the configuration of Ray Serve."""
    config = yaml.safe_load(ray_service(api, namespace)["spec"]["serveConfigV2"])
    return str(config["applications"][0]["args"]["service"]["model"]["textGeneration"]["model"])


def eventually(holds: Callable[[], Any], what: str) -> None:
    wait_for(holds, what, SECONDS)


def test_a_service_from_its_creation_to_its_deletion(api: Api, namespace: str) -> None:
    apply(api, namespace)
    wait_phase(api, namespace, "Starting", "ClusterStarting")
    for plural in ("services", "networkpolicies", "serviceaccounts"):
        assert api.get(plural, namespace, NAME), plural
    make_cluster(api, namespace)
    report(api, namespace, "DEPLOYING")
    wait_phase(api, namespace, "Starting", "ModelLoading")
    selector = {"ray.io/cluster": f"{NAME}-abcde", "ray.io/serve": "true"}
    eventually(
        lambda: api.get("services", namespace, NAME)["spec"]["selector"] == selector, "the Service to select the cluster"
    )

    api.patch("modelservices", namespace, NAME, {"spec": {"replicas": {"min": 2, "max": 3}}})
    for plural, name, path in (("rayservices", NAME, "rayClusterConfig"), ("rayclusters", f"{NAME}-abcde", "")):

        def sizes(plural: str = plural, name: str = name, path: str = path) -> tuple[int, int]:
            spec = api.get(plural, namespace, name)["spec"]
            group = (spec[path] if path else spec)["workerGroupSpecs"][0]
            return group["minReplicas"], group["maxReplicas"]

        eventually(lambda sizes=sizes: sizes() == (2, 3), f"the replicas in {plural}")

    report(api, namespace, "RUNNING")
    eventually(lambda: "lastGood" in status(api, namespace), "the model to count as loaded")
    api.patch("modelservices", namespace, NAME, {"spec": {"model": {"textGeneration": {"model": "org/second"}}}})
    eventually(lambda: model(api, namespace) == "org/second", "the edit to be rolled out")
    report(api, namespace, "DEPLOY_FAILED", "no such model")
    eventually(lambda: model(api, namespace) == "org/first", "the last good model")
    report(api, namespace, "RUNNING")
    found = wait_phase(api, namespace, "Stalled", "ModelFailed")
    assert found["failed"]["message"] == "no such model"

    api.patch("modelservices", namespace, NAME, {"spec": {"suspend": True}})
    eventually(lambda: api.get("rayservices", namespace, NAME) is None, "the RayService to be deleted")
    wait_phase(api, namespace, "Suspended")
    assert api.get("services", namespace, NAME)
    api.delete("modelservices", namespace, NAME)
    eventually(lambda: api.get("services", namespace, NAME) is None, "the Service to go with its owner")


def test_a_foreign_service_of_the_same_name_is_not_touched(api: Api, namespace: str) -> None:
    foreign = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "namespace": namespace}}
    api.create("services", {**foreign, "spec": {"ports": [{"port": 80}]}})
    apply(api, namespace)
    wait_phase(api, namespace, "Stalled", "NameTaken")
    assert api.get("services", namespace, NAME)["spec"]["ports"][0]["port"] == 80
    assert api.get("rayservices", namespace, NAME) is None
    api.delete("services", namespace, NAME)
    wait_phase(api, namespace, "Starting")
