"""ModelServices on a real API server. The test writes what KubeRay, which does not run, would write."""

import pytest

from hack.cluster.build import gateway_api_crds
from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.support.api import Api
from tests.support.api_services import NAME, apply, eventually, make_cluster, model, ray_service, report, status, wait_phase
from tests.support.controller_process import ControllerProcess

BETTER = {"textGeneration": {"model": "org/second"}}
HTTPROUTES = "httproutes.gateway.networking.k8s.io"


@pytest.fixture(autouse=True)
def _served(controller: ControllerProcess) -> None:
    """A controller for the whole cluster."""


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
    api.patch("modelservices", namespace, NAME, {"spec": {"model": BETTER}})
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


def test_an_edited_ray_service_is_restored(api: Api, namespace: str) -> None:
    apply(api, namespace)
    config = ray_service(api, namespace)["spec"]["serveConfigV2"]
    edited = config.replace("org/first", "org/other")
    api.patch("rayservices", namespace, NAME, {"spec": {"serveConfigV2": edited}})
    eventually(lambda: model(api, namespace) == "org/first", "the configuration to be restored")
    eventually(lambda: "RayServiceRestored" in {one["reason"] for one in api.list("events", namespace)}, "the Event")


def test_a_route_needs_the_gateway_api_and_follows_the_spec(
    api: Api, control_plane: Cluster, controller: ControllerProcess, namespace: str
) -> None:
    """The CRD validates what is created. A route that is refused does not prevent an update of the model."""
    apply(api, namespace, route={"gateway": "public", "gatewayNamespace": "infra", "hostnames": ["llm.example.com"]})
    report(api, namespace, "RUNNING")
    wait_phase(api, namespace, "Stalled", "GatewayAPIMissing")
    control_plane.kubectl("apply", "--server-side", "-f", str(gateway_api_crds() / "gateway.networking.k8s.io_httproutes.yaml"))
    try:
        control_plane.wait_until_established(HTTPROUTES)
        foreign = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "spec": {}}
        foreign |= {"metadata": {"name": NAME, "namespace": namespace}}
        if api.get("httproutes", namespace, NAME) is None:
            api.create("httproutes", foreign)
            wait_phase(api, namespace, "Stalled", "NameTaken")
            api.patch("modelservices", namespace, NAME, {"spec": {"model": BETTER}})
            eventually(lambda: model(api, namespace) == "org/second", "the edit to be rolled out")
            api.delete("httproutes", namespace, NAME)
        spec = dict(wait_for(lambda: api.get("httproutes", namespace, NAME), "the route"))["spec"]
        assert [(one["name"], one["namespace"]) for one in spec["parentRefs"]] == [("public", "infra")]
        assert spec["hostnames"] == ["llm.example.com"] and spec["rules"][0]["backendRefs"][0]["port"] == 8000
        refused = {"type": "Accepted", "status": "False", "reason": "NoMatchingListenerHostname", "message": "no such host"}
        refused |= {"lastTransitionTime": "2026-05-01T12:00:00Z"}
        parent = {"controllerName": "example.com/gateway", "parentRef": spec["parentRefs"][0], "conditions": [refused]}
        api.patch("httproutes", namespace, NAME, {"status": {"parents": [parent]}}, "status")
        wait_phase(api, namespace, "Stalled", "RouteNotAccepted")
        api.patch("modelservices", namespace, NAME, {"spec": {"route": None}})
        eventually(lambda: api.get("httproutes", namespace, NAME) is None, "the route to be deleted")
    finally:
        control_plane.kubectl("delete", "crd", HTTPROUTES)
    api.patch("modelservices", namespace, NAME, {"spec": {"limits": {"images": 3}}})
    eventually(lambda: status(api, namespace)["observedGeneration"] >= 3, "an edit to be observed without the CRD")
    assert controller.live()
