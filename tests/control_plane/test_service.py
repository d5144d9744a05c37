"""ModelServices on a real API server. The test writes what KubeRay, which does not run, would write."""

import pytest

from tests.support.api import Api, Refused
from tests.support.api_services import NAME, apply, eventually, make_cluster, model, ray_service, report, status, wait_phase
from tests.support.controller_process import ControllerProcess

BETTER = {"textGeneration": {"model": "org/second"}}


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


@pytest.mark.parametrize("name", ["q" * 48, "1st"])
def test_a_name_that_kuberay_refuses_is_refused_at_once(api: Api, namespace: str, name: str) -> None:
    with pytest.raises(Refused, match="the name must begin with a letter"):
        apply(api, namespace, name)


def test_an_edited_ray_service_is_restored(api: Api, namespace: str) -> None:
    apply(api, namespace)
    config = ray_service(api, namespace)["spec"]["serveConfigV2"]
    edited = config.replace("org/first", "org/other")
    api.patch("rayservices", namespace, NAME, {"spec": {"serveConfigV2": edited}})
    eventually(lambda: model(api, namespace) == "org/first", "the configuration to be restored")
    eventually(lambda: "RayServiceRestored" in {one["reason"] for one in api.list("events", namespace)}, "the Event")
