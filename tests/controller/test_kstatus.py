"""What Flux and other tools with kstatus see of both kinds in each state, by the rules of kstatus."""

from collections.abc import Callable
from typing import Any

import pytest

from datajob.api.crd import UNOBSERVED
from datajob_controller.runtime.types import Obstacle
from tests.support.kstatus import kstatus
from tests.support.service_world import ServiceWorld, modelservice
from tests.support.world import World, datajob

BETTER = {"textGeneration": {"model": "org/second", "device": "cpu"}}


def test_an_object_that_no_controller_has_observed_is_in_progress() -> None:
    for created in (datajob(), modelservice()):
        assert kstatus({**created, "status": UNOBSERVED}) == "InProgress"


def _fails_to_load(world: ServiceWorld) -> None:
    world.kuberay(active="DEPLOY_FAILED", message="no such model")
    world.passes(15)


def _returns_to_the_last_good_model(world: ServiceWorld) -> None:
    world.runs()
    world.edit(model=BETTER)
    world.settle()
    _fails_to_load(world)
    world.runs()


def _is_rolled_out(world: ServiceWorld) -> None:
    world.runs()
    world.edit(model=BETTER)


def _is_refused(world: ServiceWorld) -> None:
    world.runs()
    world.obstacle = Obstacle("RayServiceRefused", "The API server refused to change RayService qwen: invalid")
    world.pods(0, waiting=1)


def _loses_a_replica(world: ServiceWorld) -> None:
    world.runs()
    world.kuberay(active="RUNNING", deployments="UNHEALTHY")


def _loses_its_head_at_zero_replicas(world: ServiceWorld) -> None:
    world.edit(replicas={"min": 0, "max": 1})
    world.settle()
    world.kuberay(active="RUNNING")
    world.passes(15)


def _is_suspended(world: ServiceWorld) -> None:
    world.runs()
    world.edit(suspend=True)
    world.decide()


def _is_invalid_in_a_rollout(world: ServiceWorld) -> None:
    _is_rolled_out(world)
    world.settle()
    world.edit(replicas={"min": 2, "max": 1})


SERVICES: dict[str, tuple[Callable[[ServiceWorld], Any], str]] = {
    "starting": (lambda world: None, "InProgress"),
    "available": (lambda world: world.runs(), "Current"),
    "rolled out": (_is_rolled_out, "InProgress"),
    "replica lost": (_loses_a_replica, "InProgress"),
    "head lost without replicas": (_loses_its_head_at_zero_replicas, "InProgress"),
    "model failed": (_fails_to_load, "Failed"),
    "last good model": (_returns_to_the_last_good_model, "Failed"),
    "refused": (_is_refused, "Failed"),
    "invalid": (lambda world: world.edit(replicas={"min": 2, "max": 1}), "Failed"),
    "invalid in a rollout": (_is_invalid_in_a_rollout, "Failed"),
    "suspended": (_is_suspended, "Current"),
}


@pytest.mark.parametrize(("change", "expected"), SERVICES.values(), ids=SERVICES)
def test_a_service_in_each_state(change: Callable[[ServiceWorld], Any], expected: str) -> None:
    world = ServiceWorld()
    world.settle()
    change(world)
    world.settle()
    assert kstatus(world.service) == expected
    true = {one["type"] for one in world.status["conditions"] if one["status"] == "True"}
    assert not {"Reconciling", "Stalled"} <= true and ("Progressing" in true) == ("Reconciling" in true)
    assert world.condition("Progressing") == world.condition("Reconciling")
    world.edit(limits={"images": 3})
    assert kstatus(world.service) == "InProgress", "the edit is not observed"
    world.service["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"
    assert kstatus(world.service) == "Terminating"


JOBS: dict[str, tuple[Callable[[World], Any], str]] = {
    "starting": (lambda world: None, "InProgress"),
    "running": (lambda world: world.set_running(), "InProgress"),
    "complete": (lambda world: world.succeeds(), "Current"),
    "retrying": (lambda world: world.fails(), "InProgress"),
    "invalid edit of a running job": (lambda world: world.edit(resources={"workers": {"min": 2, "max": 1}}), "InProgress"),
    "suspended": (lambda world: world.edit(suspend=True), "Current"),
}


@pytest.mark.parametrize(("change", "expected"), JOBS.values(), ids=JOBS)
def test_a_job_in_each_state(change: Callable[[World], Any], expected: str) -> None:
    world = World(datajob())
    world.settle()
    change(world)
    world.settle()
    assert kstatus(world.job) == expected
