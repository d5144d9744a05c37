"""How edits of a ModelService are rolled out, and what happens if a model cannot be loaded."""

from typing import Any

import pytest

from tests.support.service_world import NAME, ServiceWorld

BETTER = {"textGeneration": {"model": "org/second", "device": "cpu"}}
UPDATES = ("replace", "surge", "newCluster")


def started(**spec: Any) -> ServiceWorld:
    """A service whose model is loaded."""
    world = ServiceWorld(**spec)
    world.settle()
    world.runs()
    return world


@pytest.mark.parametrize("update", UPDATES)
def test_an_edit_of_the_model_is_rolled_out_as_the_spec_states(update: str) -> None:
    world = started(update=update)
    world.edit(model=BETTER)
    status = world.settle()
    assert world.model == "org/second"
    assert (status["phase"], status["reason"]) == ("Updating", "RollingOut")
    assert status["lastGood"]["spec"]["model"]["textGeneration"]["model"] == "org/first"
    (patch,) = world.patched[1:]
    whole = [operation["path"] for operation in patch.operations if operation["path"] == "/spec"]
    assert bool(whole) == (update == "newCluster")
    surge = world.config["deployments"][0].get("max_surge_percent", 0)
    assert surge == (100 if update == "surge" else 0)


def test_the_state_from_before_an_edit_does_not_count_as_its_success() -> None:
    """KubeRay reports the new generation with the status of the application from before the change."""
    world = started()
    world.edit(model=BETTER)
    world.settle()
    world.kuberay(active="RUNNING")
    status = world.passes(1)
    assert (status["reason"], status["model"]["name"]) == ("RollingOut", "org/first")
    status = world.passes(10)
    assert (status["phase"], status["model"]["name"]) == ("Available", "org/second")
    assert status["lastGood"]["spec"]["model"] == BETTER


@pytest.mark.parametrize("update", UPDATES)
def test_a_model_that_cannot_be_loaded_is_replaced_by_the_last_good_one(update: str) -> None:
    world = started(update=update)
    world.edit(model=BETTER)
    world.settle()
    if update == "newCluster":
        world.kuberay(active="RUNNING", pending="DEPLOY_FAILED", message="out of memory")
    else:
        world.kuberay(active="DEPLOY_FAILED", message="out of memory")
    status = world.passes(15)
    assert world.model == "org/first"
    assert status["failed"]["message"] == "out of memory"
    assert world.condition("Stalled") == ("True", "ModelFailed")
    assert "ModelFailed" in world.events
    status = world.runs()
    assert (status["phase"], status["model"]["name"]) == ("Stalled", "org/first")
    assert world.condition("Available") == ("True", "Serving")
    before = len(world.patched)
    world.passes(3600)
    assert len(world.patched) == before, "the failed model is not loaded again"


@pytest.mark.parametrize(
    ("edit", "model"),
    [
        ({"model": {"textGeneration": {"model": "org/third", "device": "cpu"}}}, "org/third"),
        ({"restart": {"id": "again"}}, "org/second"),
        ({"model": {"textGeneration": {"model": "org/first", "device": "cpu"}}}, "org/first"),
    ],
    ids=["another model", "restart", "undo"],
)
def test_an_edit_after_a_failure_is_rolled_out(edit: dict[str, Any], model: str) -> None:
    world = started()
    world.edit(model=BETTER)
    world.settle()
    world.kuberay(active="DEPLOY_FAILED")
    world.passes(15)
    world.runs()
    world.edit(**edit)
    world.settle()
    status = world.runs()
    assert (world.model, status["phase"], "failed" in status) == (model, "Available", False)


def test_limits_apply_to_the_last_good_model_after_a_failure() -> None:
    world = started()
    world.edit(model=BETTER)
    world.settle()
    world.kuberay(active="DEPLOY_FAILED")
    world.passes(15)
    world.runs()
    world.edit(limits={"choices": 2}, replicas={"min": 2, "max": 2})
    world.settle()
    deployment = world.config["deployments"][0]
    assert (world.model, deployment["user_config"]["limits"]["choices"], deployment["num_replicas"]) == ("org/first", 2, 2)


LIVE: dict[str, dict[str, Any]] = {
    "replicas": {"replicas": {"min": 2, "max": 4, "target": 8}},
    "limits": {"limits": {"images": 1}},
    "update": {"update": "surge"},
}


@pytest.mark.parametrize("edit", LIVE.values(), ids=LIVE)
def test_an_edit_that_needs_no_other_model_leaves_the_model_loaded(edit: dict[str, Any]) -> None:
    world = started()
    before = world.config
    cluster = world.ray_service["spec"]["rayClusterConfig"]["headGroupSpec"]
    world.edit(**edit)
    status = world.settle()
    assert world.config["args"] == before["args"]
    assert world.ray_service["spec"]["rayClusterConfig"]["headGroupSpec"] == cluster
    assert world.config["deployments"] != before["deployments"]
    assert status["lastGood"]["revision"] == status["revision"]


def test_replicas_are_patched_into_the_living_cluster() -> None:
    world = started()
    world.edit(replicas={"min": 2, "max": 3})
    world.settle()
    for kind, name in (("RayCluster", "qwen-aaaaa"), ("RayService", NAME)):
        spec = world.objects[kind, name]["spec"]
        group = spec.get("rayClusterConfig", spec)["workerGroupSpecs"][0]
        assert (group["minReplicas"], group["maxReplicas"]) == (2, 3), kind
    world.pods(2, waiting=0)
    status = world.passes(15)
    assert (status["replicas"], status["readyReplicas"]) == (2, 2)


def test_the_maximum_of_workers_falls_when_the_workers_are_gone() -> None:
    """Ray's autoscaler stops workers above the maximum at once, also those that answer requests."""
    world = started(replicas={"min": 3, "max": 3})
    world.pods(3)
    world.edit(replicas={"min": 1, "max": 1})
    world.settle()
    group = world.objects["RayCluster", "qwen-aaaaa"]["spec"]["workerGroupSpecs"][0]
    for workers in (3, 2, 1):
        world.pods(workers)
        world.settle()
        assert (group["minReplicas"], group["maxReplicas"]) == (1, workers)


def test_an_update_with_surge_may_have_twice_the_workers() -> None:
    world = ServiceWorld(update="surge", replicas={"min": 1, "max": 3})
    world.settle()
    group = world.ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    assert (group["minReplicas"], group["maxReplicas"]) == (1, 6)


@pytest.mark.parametrize("update", UPDATES)
def test_other_hardware_needs_other_pods(update: str) -> None:
    """Without twice the hardware, the pods are deleted first; otherwise, KubeRay starts a second cluster."""
    world = started(update=update)
    world.edit(resources={"workers": {"cpu": "2"}})
    world.decide()
    assert world.deleted == (["RayService/qwen"] if update == "replace" else [])
    world.settle()
    group = world.ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    assert group["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "2"


def test_an_upgrade_of_the_controller_changes_nothing() -> None:
    world = started()
    before = len(world.patched)
    world.settings = world.settings.model_copy(update={"image_cpu": "registry/newer:2", "ray_version": "2.99.0"})
    world.passes(60)
    assert (len(world.patched), world.deleted) == (before, [])
