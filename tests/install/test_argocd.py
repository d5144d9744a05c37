"""The health of DataJobs and ModelServices in Argo CD, by the Lua script in the manifests, for every state."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hack.cluster import packages
from tests.support.service_world import ServiceWorld
from tests.support.world import World, datajob

SCRIPT = Path(__file__).parents[2] / "manifests" / "argocd" / "health.lua"
ENDED = "Job entrypoint command failed with exit code 2"


def lua(value: Any) -> str:
    """A value as a Lua literal."""
    if isinstance(value, dict):
        return "{" + ",".join(f"[{json.dumps(key)}]={lua(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "{" + ",".join(map(lua, value)) + "}"
    return "nil" if value is None else json.dumps(value)


def health(found: dict[str, Any]) -> str:
    """The health that Argo CD shows."""
    try:
        packages.ensure({"lua5.4": "lua5.4"})
    except packages.MissingPackages as missing:
        pytest.skip(str(missing))
    program = f"obj = {lua(found)}\nlocal f = assert(loadfile({json.dumps(str(SCRIPT))}))\nprint(f().status)"
    done = subprocess.run([shutil.which("lua5.4") or "lua5.4", "-"], input=program, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _runs(world: World) -> None:
    world.ray_job["status"] |= {"jobStatus": "RUNNING", "jobDeploymentStatus": "Running"}


def _succeeds(world: World) -> None:
    world.ray_job["status"] |= {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}


def _fails(world: World) -> None:
    world.ray_job["status"] |= {
        "jobStatus": "FAILED",
        "jobDeploymentStatus": "Failed",
        "message": "Job entrypoint command failed with exit code 2",
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda world: None, "Progressing"),
        (_runs, "Progressing"),
        (_succeeds, "Healthy"),
        (_fails, "Degraded"),
        (lambda world: world.edit(suspend=True), "Suspended"),
        (lambda world: world.edit(resources={"workers": {"min": 2, "max": 1}}), "Degraded"),
    ],
    ids=["starting", "running", "complete", "failed", "suspended", "invalid"],
)
def test_argo_cd_shows_the_state_of_a_job(change: Callable[[World], None], expected: str) -> None:
    world = World(datajob())
    world.settle()
    change(world)
    world.settle()
    assert health(world.job) == expected


def test_a_job_that_no_controller_has_observed_yet_is_progressing() -> None:
    assert health(datajob()) == "Progressing"
    world = World(datajob())
    world.settle()
    world.edit(suspend=True)
    assert health(world.job) == "Progressing"


def _fails_to_load(world: ServiceWorld) -> None:
    world.kuberay(active="DEPLOY_FAILED", message="no such model")
    world.passes(15)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda world: None, "Progressing"),
        (lambda world: world.runs(), "Healthy"),
        (_fails_to_load, "Degraded"),
        (lambda world: world.edit(suspend=True), "Suspended"),
        (lambda world: world.edit(replicas={"min": 2, "max": 1}), "Degraded"),
    ],
    ids=["starting", "available", "failed", "suspended", "invalid"],
)
def test_argo_cd_shows_the_state_of_a_service(change: Callable[[ServiceWorld], object], expected: str) -> None:
    world = ServiceWorld()
    assert health(world.service) == "Progressing"
    world.settle()
    change(world)
    world.settle()
    assert health(world.service) == expected
