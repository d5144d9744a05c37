"""What is decided about a ModelService in each state that KubeRay and its pods can be in."""

from typing import Any

import pytest

from datajob.api.contract import LABEL_UID
from datajob_controller.runtime.manifests import rfc3339
from datajob_controller.runtime.types import Obstacle
from datajob_controller.shared.policy.conditions import is_true
from tests.support.service_world import NAME, ServiceWorld

BETTER = {"textGeneration": {"model": "org/second", "device": "cpu"}}


def started(**spec: Any) -> ServiceWorld:
    """A service whose model is loaded."""
    world = ServiceWorld(**spec)
    world.settle()
    world.runs()
    return world


def test_a_new_service_gets_its_objects_once_and_then_waits() -> None:
    world = ServiceWorld()
    status = world.settle()
    made = {f"{kind}/{name}" for kind, name in world.objects}
    assert made == {f"{kind}/{NAME}" for kind in ("RayService", "Service", "ServiceAccount", "NetworkPolicy")}
    assert (status["phase"], status["reason"]) == ("Starting", "ClusterStarting")
    assert status["url"] == "http://qwen.team-a.svc:8000/v1"
    assert world.condition("Accepted") == ("True", "Valid")
    assert world.condition("Available") == ("False", "ClusterStarting")
    assert "lastGood" not in status


STATES: dict[str, tuple[dict[str, Any], int, tuple[str, str, str]]] = {
    # what KubeRay reports, ready pods, phase and reason and Available
    "no cluster yet": ({}, 0, ("Starting", "ClusterStarting", "False")),
    "the first cluster starts": ({"pending": "-"}, 0, ("Starting", "ClusterStarting", "False")),
    "the model is loaded": ({"pending": "DEPLOYING", "deployments": "UPDATING"}, 0, ("Starting", "ModelLoading", "False")),
    "all replicas run": ({"active": "RUNNING"}, 1, ("Available", "Serving", "True")),
    "Serve says running, and no pod is ready": ({"active": "RUNNING"}, 0, ("Starting", "ReplicasStarting", "False")),
    "a replica is replaced": ({"active": "RUNNING", "deployments": "UNHEALTHY"}, 1, ("Updating", "ReplicasStarting", "True")),
    "all replicas failed": ({"active": "UNHEALTHY"}, 0, ("Starting", "ReplicasUnhealthy", "False")),
    "the model cannot be loaded": ({"pending": "DEPLOY_FAILED", "message": "no model"}, 0, ("Stalled", "ModelFailed", "False")),
}  # fmt: skip


@pytest.mark.parametrize(("reported", "ready", "expected"), STATES.values(), ids=STATES)
def test_a_state_of_ray_serve_is_shown(reported: dict[str, Any], ready: int, expected: tuple[str, str, str]) -> None:
    world = ServiceWorld()
    world.settle()
    world.kuberay(**reported)
    world.pods(ready)
    status = world.passes(15)
    assert (status["phase"], status["reason"], world.condition("Available")[0]) == expected
    assert status["readyReplicas"] == ready
    if "message" in reported:
        assert reported["message"] in world.message("Stalled")


def test_a_failed_model_is_not_loaded_again_and_nothing_else_changes() -> None:
    world = ServiceWorld()
    world.settle()
    world.kuberay(pending="DEPLOY_FAILED", message="no such model")
    world.passes(15)
    before, events = len(world.patched), len(world.events)
    for _ in range(5):
        world.passes(300)
    assert (len(world.patched), world.deleted, len(world.events)) == (before, [], events)
    assert "RayService/qwen" not in world.deleted


def test_requests_go_to_the_active_cluster_and_before_the_first_one_to_the_new_one() -> None:
    world = ServiceWorld()
    world.settle()
    assert world.objects["Service", NAME]["spec"]["selector"]["ray.io/cluster"] == ""
    world.kuberay(pending="first=DEPLOYING")
    world.settle()
    selector = {"ray.io/cluster": "qwen-first", "ray.io/serve": "true"}
    assert world.objects["Service", NAME]["spec"]["selector"] == selector
    world.kuberay(active="first=RUNNING", pending="other=DEPLOYING")
    world.settle()
    assert world.objects["Service", NAME]["spec"]["selector"] == selector
    world.kuberay(active="other=RUNNING")
    world.settle()
    assert world.objects["Service", NAME]["spec"]["selector"]["ray.io/cluster"] == "qwen-other"


def test_requests_go_to_the_previous_cluster_until_a_pod_of_the_new_one_is_ready() -> None:
    """KubeRay switches some seconds before."""
    world = started()
    world.kuberay(active="bbbbb=RUNNING")
    status = world.settle()
    assert world.objects["Service", NAME]["spec"]["selector"]["ray.io/cluster"] == "qwen-aaaaa"
    assert (world.condition("Available"), status["rayClusterName"]) == (("True", "Serving"), "qwen-aaaaa")
    assert (status["phase"], status["reason"]) == ("Updating", "NewClusterStarting")
    world.pods(1, cluster="bbbbb")
    status = world.settle()
    assert world.objects["Service", NAME]["spec"]["selector"]["ray.io/cluster"] == "qwen-bbbbb"
    assert (world.condition("Available"), status["rayClusterName"]) == (("True", "Serving"), "qwen-bbbbb")
    assert status["phase"] == "Available"


def test_a_new_cluster_receives_requests_if_the_previous_one_is_lost() -> None:
    world = started()
    for pod in [key for key in world.objects if key[0] == "Pod"]:
        world.objects[pod]["metadata"]["deletionTimestamp"] = rfc3339(world.now)
    world.kuberay(active="bbbbb=RUNNING")
    world.settle()
    assert world.objects["Service", NAME]["spec"]["selector"]["ray.io/cluster"] == "qwen-bbbbb"


def test_a_deleted_service_object_comes_back() -> None:
    world = started()
    del world.objects["Service", NAME]
    world.settle()
    assert world.objects["Service", NAME]["spec"]["selector"]["ray.io/cluster"] == "qwen-aaaaa"


def test_suspension_deletes_all_pods_and_keeps_the_address() -> None:
    world = started()
    world.edit(suspend=True)
    world.decide()
    assert world.deleted == ["RayService/qwen"]
    status = world.settle()
    assert (status["phase"], status["replicas"], status["readyReplicas"]) == ("Suspended", 0, 0)
    assert ("Service", NAME) in world.objects
    world.edit(suspend=None)
    status = world.settle()
    assert (status["phase"], world.model) == ("Starting", "org/first")
    assert world.runs()["phase"] == "Available"


def test_a_service_that_is_created_suspended_has_an_address_and_no_pods() -> None:
    world = ServiceWorld(suspend=True)
    assert world.settle()["phase"] == "Suspended"
    assert {kind for kind, _ in world.objects} == {"Service"}


def test_an_invalid_spec_gets_no_objects() -> None:
    world = ServiceWorld(model={"textGeneration": {"model": "org/first"}})
    status = world.settle()
    assert (status["phase"], status["reason"], world.objects) == ("Invalid", "InvalidSpec", {})
    assert "requires an accelerator" in world.message("Accepted")


def test_an_invalid_edit_leaves_the_service_as_it_is() -> None:
    world = started()
    before = len(world.patched)
    world.edit(model={"textGeneration": {"model": "org/second"}})
    status = world.passes(15)
    assert (world.model, len(world.patched)) == ("org/first", before)
    assert (status["phase"], world.condition("Available")[0], world.condition("Accepted")[0]) == ("Stalled", "True", "False")
    world.edit(model=BETTER)
    world.settle()
    assert world.model == "org/second"


def test_a_spec_of_any_depth_is_refused() -> None:
    deep: Any = {}
    for _ in range(150):
        deep = {"a": deep}
    world = ServiceWorld(runtime={"env": [deep]})
    assert world.settle()["phase"] == "Invalid"


def test_without_kuberay_the_service_is_stalled_and_recovers() -> None:
    world = ServiceWorld()
    world.unserved.add("RayService")
    assert world.settle()["reason"] == "KubeRayMissing"
    assert world.objects == {}
    world.unserved.remove("RayService")
    assert world.settle()["phase"] == "Starting"


def test_a_refused_object_is_shown_and_created_later() -> None:
    world = ServiceWorld()
    world.obstacle = Obstacle("NameTaken", "Service qwen already exists and does not belong to this ModelService.")
    status = world.decide().status
    assert status and (status["phase"], status["reason"]) == ("Stalled", "NameTaken")
    assert world.objects == {}
    world.obstacle = None
    assert world.settle()["phase"] == "Starting"


def test_a_refused_change_is_shown_while_the_service_runs() -> None:
    world = started()
    world.obstacle = Obstacle("RayServiceRefused", "The API server refused to change RayService qwen: invalid")
    world.decide()
    assert world.condition("Stalled") == ("True", "RayServiceRefused")
    assert world.condition("Available")[0] == "True"


def test_pods_without_a_node_are_a_reason_and_later_a_stall() -> None:
    world = ServiceWorld()
    world.settle()
    world.kuberay(pending="-")
    since = world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes", "lastTransitionTime": since}
    world.pods(0, cluster="bbbbb", waiting=1, conditions=[condition])
    status = world.passes(15)
    assert (status["phase"], status["reason"]) == ("Starting", "Unschedulable")
    status = world.passes(world.settings.scheduling_seconds)
    assert (status["phase"], status["reason"]) == ("Stalled", "Unschedulable")


def test_a_deleted_ray_service_is_created_again() -> None:
    world = started()
    world.objects = {key: found for key, found in world.objects.items() if key[0] not in ("RayService", "RayCluster", "Pod")}
    status = world.settle()
    assert (status["phase"], world.model) == ("Starting", "org/first")


def test_a_ray_service_that_is_being_deleted_is_waited_for() -> None:
    world = started()
    world.ray_service["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"
    status = world.settle()
    assert (status["reason"], world.patched[1:]) == ("Restarting", [])


def test_what_kuberay_rejects_is_shown() -> None:
    world = ServiceWorld()
    world.settle()
    invalid = {"type": "Ready", "status": "False", "reason": "ValidationFailed", "message": "the name is too long"}
    world.ray_service["status"] = {"observedGeneration": 1, "conditions": [invalid]}
    assert world.passes(15)["reason"] == "RayServiceInvalid"
    assert "the name is too long" in world.message("Stalled")


def test_a_kuberay_that_does_not_respond_is_named() -> None:
    world = ServiceWorld()
    world.settle()
    assert world.passes(90)["reason"] == "KubeRayNotResponding"


def test_without_replicas_the_head_receives_requests() -> None:
    world = ServiceWorld(replicas={"min": 0, "max": 1})
    world.settle()
    assert world.ray_service["spec"]["excludeHeadPodFromServeSvc"] is False
    assert world.config["deployments"][0]["autoscaling_config"]["min_replicas"] == 0
    world.kuberay(active="RUNNING")
    labels = {"ray.io/cluster": "qwen-aaaaa", "ray.io/node-type": "head", "ray.io/serve": "true"}
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    world.objects["Pod", "head"] = {"kind": "Pod", "metadata": {"name": "head", "labels": labels}, "spec": {}, "status": ready}
    status = world.passes(15)
    assert (status["phase"], status["replicas"], status["readyReplicas"]) == ("Available", 0, 0)


def test_a_route_is_created_edited_and_deleted_with_the_spec() -> None:
    world = started(route={"gateway": "public", "hostnames": ["llm.example.com"]})
    assert ("HTTPRoute", NAME) not in world.objects, "the cluster has no Gateway API"
    world.unserved.clear()
    world.settle()
    assert world.objects["HTTPRoute", NAME]["spec"]["parentRefs"] == [{"name": "public"}]
    world.edit(route={"gateway": "private", "gatewayNamespace": "infra"})
    world.settle()
    assert world.objects["HTTPRoute", NAME]["spec"]["parentRefs"] == [{"name": "private", "namespace": "infra"}]
    world.edit(route=None)
    world.settle()
    assert ("HTTPRoute", NAME) not in world.objects


def test_a_service_that_is_being_deleted_is_left_to_the_garbage_collector() -> None:
    world = started()
    world.service["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"
    decision = world.decide()
    assert (decision.create, decision.patch, decision.delete, decision.status) == ((), (), (), None)


def test_transitions_are_events_once() -> None:
    world = started()
    assert world.events == ["ClusterStarting", "Serving"]
    world.passes(600)
    assert world.events == ["ClusterStarting", "Serving"]


def test_every_pod_carries_the_owner_for_the_network_policy() -> None:
    world = ServiceWorld()
    world.settle()
    cluster = world.ray_service["spec"]["rayClusterConfig"]
    for template in (cluster["headGroupSpec"]["template"], cluster["workerGroupSpecs"][0]["template"]):
        selector = world.objects["NetworkPolicy", NAME]["spec"]["podSelector"]["matchLabels"]
        assert selector == {LABEL_UID: template["metadata"]["labels"][LABEL_UID]}
    assert is_true(world.status["conditions"], "Accepted")


def test_workers_are_ready_with_a_replica_and_drain_before_they_stop() -> None:
    world = ServiceWorld()
    world.settle()
    (group,) = world.ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/-/healthz", "port": 8000}
    seconds = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert 0 < seconds < group["template"]["spec"]["terminationGracePeriodSeconds"]
