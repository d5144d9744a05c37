"""The HTTPRoute of a ModelService on a real API server, without and with the CRD of the Gateway API."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hack.cluster.build import gateway_api_crds
from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.control_plane.conftest import Start
from tests.support.api import Api
from tests.support.api_services import NAME, apply, eventually, model, report, status, wait_phase

CRD = "httproutes.gateway.networking.k8s.io"


@contextmanager
def gateway_api(cluster: Cluster) -> Iterator[None]:
    """The CRD of HTTPRoutes, which validates them."""
    cluster.kubectl("apply", "--server-side", "-f", str(gateway_api_crds() / "gateway.networking.k8s.io_httproutes.yaml"))
    try:
        cluster.wait_until_established(CRD)
        yield
    finally:
        cluster.kubectl("delete", "crd", CRD)


def edit(api: Api, namespace: str, **spec: Any) -> None:
    api.patch("modelservices", namespace, NAME, {"spec": spec})


def test_a_route_needs_the_gateway_api_and_follows_the_spec(
    api: Api, control_plane: Cluster, namespace: str, start: Start
) -> None:
    first = start()
    apply(api, namespace, route={"gateway": "public", "gatewayNamespace": "infra", "hostnames": ["llm.example.com"]})
    report(api, namespace, "RUNNING")
    wait_phase(api, namespace, "Stalled", "GatewayAPIMissing")
    first.stop()
    with gateway_api(control_plane):
        foreign = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "spec": {}}
        api.create("httproutes", {**foreign, "metadata": {"name": NAME, "namespace": namespace}})
        second = start()
        wait_phase(api, namespace, "Stalled", "NameTaken")
        edit(api, namespace, model={"textGeneration": {"model": "org/second"}})
        eventually(lambda: model(api, namespace) == "org/second", "an edit to be rolled out although the route is refused")
        api.delete("httproutes", namespace, NAME)
        edit(api, namespace, limits={"images": 3})
        spec = dict(wait_for(lambda: api.get("httproutes", namespace, NAME), "the route"))["spec"]
        assert [(one["name"], one["namespace"]) for one in spec["parentRefs"]] == [("public", "infra")]
        assert spec["hostnames"] == ["llm.example.com"] and spec["rules"][0]["backendRefs"][0]["port"] == 8000
        refused = {"type": "Accepted", "status": "False", "reason": "NoMatchingListenerHostname", "message": "no such host"}
        refused |= {"lastTransitionTime": "2026-05-01T12:00:00Z"}
        parent = {"controllerName": "example.com/gateway", "parentRef": spec["parentRefs"][0], "conditions": [refused]}
        api.patch("httproutes", namespace, NAME, {"status": {"parents": [parent]}}, "status")
        wait_phase(api, namespace, "Stalled", "RouteNotAccepted")
        edit(api, namespace, route=None)
        eventually(lambda: api.get("httproutes", namespace, NAME) is None, "the route to be deleted")
    edit(api, namespace, limits={"images": 4})
    generation = api.get("modelservices", namespace, NAME)["metadata"]["generation"]
    eventually(lambda: status(api, namespace)["observedGeneration"] == generation, "an edit to be observed without the CRD")
    assert second.live()
