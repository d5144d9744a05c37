"""ModelServices on a real API server. The functions write what KubeRay, which does not run, would write."""

from collections.abc import Callable
from typing import Any

import yaml

from hack.cluster.waiting import SECONDS, wait_for
from tests.support.api import Api

NAME = "qwen"
SPEC: dict[str, Any] = {
    "model": {"textGeneration": {"model": "org/first", "device": "cpu"}},
    "auth": {"secretName": "keys"},
}


def apply(api: Api, namespace: str, name: str = NAME, **spec: Any) -> None:
    """Apply a ModelService."""
    meta = {"name": name, "namespace": namespace}
    made = {"apiVersion": "datajob.io/v1alpha1", "kind": "ModelService", "metadata": meta, "spec": {**SPEC, **spec}}
    api.apply("modelservices", made)


def status(api: Api, namespace: str) -> dict[str, Any]:
    """The status of the ModelService."""
    return dict((api.get("modelservices", namespace, NAME) or {}).get("status") or {})


def wait_phase(api: Api, namespace: str, phase: str, reason: str = "") -> dict[str, Any]:
    """Wait for a phase, and optionally its reason; returns the status."""

    def reached() -> bool:
        found = status(api, namespace)
        return found.get("phase") == phase and reason in ("", found.get("reason"))

    wait_for(reached, f"{phase} {reason}: {status(api, namespace)}", SECONDS)
    return status(api, namespace)


def ray_service(api: Api, namespace: str) -> dict[str, Any]:
    """The RayService, as soon as it exists."""
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
    """Wait until something holds."""
    wait_for(holds, what, SECONDS)
