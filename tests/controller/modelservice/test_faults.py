"""What can go wrong from outside: objects edited or deleted by others, missing Secrets, and edits during an update."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.service_world import NAME, ServiceWorld

BETTER = {"textGeneration": {"model": "org/second", "device": "cpu"}}
BEST = {"textGeneration": {"model": "org/third", "device": "cpu"}}
FIRST = {"textGeneration": {"model": "org/first", "device": "cpu"}}
ROUTE = {"gateway": "public"}


def started(**spec: Any) -> ServiceWorld:
    """A service whose model is loaded."""
    world = ServiceWorld(**spec)
    world.settle()
    world.runs()
    return world


def rolling(update: str = "surge", **spec: Any) -> ServiceWorld:
    """A service that is loading its second model."""
    world = started(update=update, **spec)
    world.edit(model=BETTER)
    world.settle()
    world.kuberay(active="DEPLOYING", deployments="UPDATING")
    world.passes(2)
    return world


def lose(world: ServiceWorld, *kinds: str) -> None:
    """Objects are deleted by someone else."""
    world.objects = {key: found for key, found in world.objects.items() if key[0] not in kinds}


def test_an_edited_configuration_of_the_ray_service_is_restored_with_an_event() -> None:
    world = started()
    config = world.ray_service["spec"]["serveConfigV2"]
    world.ray_service["spec"]["serveConfigV2"] = config.replace("org/first", "org/other")
    world.settle()
    assert (world.ray_service["spec"]["serveConfigV2"], world.events.count("RayServiceRestored")) == (config, 1)


def test_edited_numbers_of_workers_are_restored() -> None:
    world = started(replicas={"min": 2, "max": 3})
    for found in (world.ray_service["spec"]["rayClusterConfig"], world.objects["RayCluster", "qwen-aaaaa"]["spec"]):
        found["workerGroupSpecs"][0]["maxReplicas"] = 50
    world.settle()
    for found in (world.ray_service["spec"]["rayClusterConfig"], world.objects["RayCluster", "qwen-aaaaa"]["spec"]):
        assert found["workerGroupSpecs"][0]["maxReplicas"] == 3


def test_removed_annotations_are_written_again_without_an_interruption() -> None:
    world = started()
    del world.ray_service["metadata"]["annotations"]
    world.settle()
    assert world.deleted == [] and len(world.ray_service["metadata"]["annotations"]) == 4


def test_a_failed_first_model_is_loaded_again_after_its_ray_service_was_deleted() -> None:
    world = ServiceWorld()
    world.settle()
    world.kuberay(pending="DEPLOY_FAILED", message="no such model")
    world.passes(15)
    lose(world, "RayService", "RayCluster", "Pod")
    status = world.settle()
    assert (status["phase"], "failed" in status) == ("Starting", False)
    assert world.runs()["phase"] == "Available"


def test_the_last_good_model_is_served_after_the_ray_service_of_a_failed_edit_was_deleted() -> None:
    world = rolling()
    world.kuberay(active="DEPLOY_FAILED", message="out of memory")
    world.passes(15)
    lose(world, "RayService", "RayCluster", "Pod")
    status = world.settle()
    assert (world.model, status["phase"], status["reason"]) == ("org/first", "Stalled", "ModelFailed")


@pytest.mark.parametrize("kind", ["Service", "HTTPRoute"])
def test_a_deleted_object_of_the_access_comes_back(kind: str) -> None:
    world = ServiceWorld(route=ROUTE)
    world.unserved.clear()
    world.settle()
    world.runs()
    lose(world, kind)
    world.settle()
    assert (kind, NAME) in world.objects


def test_a_missing_secret_is_named_and_stalls_the_service_after_a_while() -> None:
    world = ServiceWorld(auth={"secretName": "keys"})
    world.settle()
    world.kuberay(pending="-")
    world.pods(0, cluster="bbbbb", waiting=1, startTime=world.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    world.warnings = {"pod-0": 'FailedMount: MountVolume.SetUp failed for volume "datajob-keys" : secret "keys" not found'}
    status = world.passes(30)
    assert (status["phase"], status["reason"]) == ("Starting", "VolumeUnavailable")
    assert 'secret "keys" not found' in world.message("Progressing")
    status = world.passes(world.settings.obstacle_seconds)
    assert (status["phase"], status["reason"]) == ("Stalled", "VolumeUnavailable")
    world.warnings = {}
    world.kuberay(active="RUNNING")
    world.pods(1)
    assert world.passes(15)["phase"] == "Available"


def test_a_release_that_cannot_read_the_spec_leaves_the_service_as_it_is() -> None:
    """The spec was valid for an earlier release: nothing was edited."""
    world = started()
    world.service["spec"]["noSuchField"] = world.service["status"]["lastGood"]["spec"]["noSuchField"] = 1
    before = len(world.patched)
    status = world.passes(15)
    assert (len(world.patched), world.deleted, world.model) == (before, [], "org/first")
    assert (status["phase"], world.condition("Available")[0], world.condition("Accepted")[0]) == ("Stalled", "True", "False")
    assert "noSuchField" in world.message("Accepted")


def test_a_stricter_release_serves_what_an_earlier_one_accepted() -> None:
    world = started(replicas={"min": 1, "max": 1})
    world.service["spec"]["model"] = {"textGeneration": {"model": "org/first"}}  # requires an accelerator
    world.passes(15)
    assert world.condition("Accepted") == ("True", "AcceptedEarlier")
    assert world.condition("Available")[0] == "True"


INTERRUPTIONS: dict[str, tuple[Callable[[ServiceWorld], Any], str]] = {
    "a second edit": (lambda world: world.edit(model=BEST), "org/third"),
    "two edits": (lambda world: (world.edit(model=BEST), world.settle(), world.edit(model=BETTER)), "org/second"),
    "back to the last good model": (lambda world: world.edit(model=FIRST), "org/first"),
    "other limits": (lambda world: world.edit(limits={"images": 2}), "org/second"),
    "other replicas": (lambda world: world.edit(replicas={"min": 2, "max": 2}), "org/second"),
    "another kind of update": (lambda world: world.edit(update="replace"), "org/second"),
}


@pytest.mark.parametrize("update", ["surge", "replace", "newCluster"])
@pytest.mark.parametrize(("change", "model"), INTERRUPTIONS.values(), ids=INTERRUPTIONS)
def test_an_edit_in_the_middle_of_an_update(change: Callable[[ServiceWorld], Any], model: str, update: str) -> None:
    world = rolling(update)
    if update == "newCluster":
        world.kuberay(active="RUNNING", pending="DEPLOYING")
        world.settle()
    change(world)
    status = world.settle()
    assert (world.model, status["lastGood"]["spec"]["model"]) == (model, FIRST)
    assert (status["phase"], world.deleted) == ("Updating", [])
    status = world.runs(world.service["spec"].get("replicas", {}).get("max", 1))
    assert (status["phase"], status["model"]["name"]) == ("Available", model)
    assert status["lastGood"]["revision"] == status["revision"]


def test_after_a_failed_second_edit_the_first_good_model_is_served() -> None:
    world = rolling()
    world.edit(model=BEST)
    world.settle()
    world.kuberay(active="DEPLOY_FAILED", message="out of memory")
    world.passes(15)
    assert world.model == "org/first"


def test_a_suspension_in_the_middle_of_an_update_keeps_the_last_good_model() -> None:
    world = rolling()
    world.edit(suspend=True)
    status = world.settle()
    assert (status["phase"], world.deleted) == ("Suspended", ["RayService/qwen"])
    world.edit(suspend=None)
    world.settle()
    assert world.model == "org/second"
    world.kuberay(pending="DEPLOY_FAILED", message="out of memory")
    world.passes(15)
    assert world.model == "org/first"


def test_a_new_leader_in_the_middle_of_an_update_continues_it() -> None:
    """Everything that a decision needs is in the objects: a fresh world with the same objects decides nothing new."""
    world, other = rolling(), ServiceWorld()
    other.service, other.objects, other.now = world.service, world.objects, world.now
    decision = other.decide()
    assert not (decision.create or decision.patch or decision.delete)
    assert other.runs()["model"]["name"] == "org/second"


def test_the_route_of_a_suspended_service_follows_its_edits() -> None:
    world = ServiceWorld(route=ROUTE, suspend=True)
    world.unserved.clear()
    world.settle()
    world.edit(route={"gateway": "other"})
    world.settle()
    assert world.objects["HTTPRoute", NAME]["spec"]["parentRefs"] == [{"name": "other"}]
    world.edit(route=None)
    world.settle()
    assert ("HTTPRoute", NAME) not in world.objects


def test_without_the_gateway_api_the_service_is_served_and_its_route_is_reported() -> None:
    world = started(route=ROUTE)
    assert (world.condition("Stalled"), world.condition("Available")[0]) == (("True", "GatewayAPIMissing"), "True")
    world.unserved.clear()
    assert world.settle()["phase"] == "Available"
    assert ("HTTPRoute", NAME) in world.objects


@pytest.mark.parametrize("kind", ["Accepted", "ResolvedRefs"])
def test_a_route_that_a_gateway_does_not_accept_is_reported(kind: str) -> None:
    world = ServiceWorld(route=ROUTE)
    world.unserved.clear()
    world.settle()
    world.runs()
    refused = {"type": kind, "status": "False", "reason": "NoMatchingListenerHostname", "message": "no listener has the host"}
    world.objects["HTTPRoute", NAME]["status"] = {"parents": [{"parentRef": {"name": "public"}, "conditions": [refused]}]}
    world.settle()
    assert world.condition("Stalled") == ("True", "RouteNotAccepted")
    assert "Gateway public" in world.message("Stalled") and "no listener has the host" in world.message("Stalled")
    refused["status"] = "True"
    assert world.settle()["phase"] == "Available"
