"""Runs that are repeated or continued on request: `spec.restart`, and limits that are raised after a failure."""

from datetime import timedelta

import pytest

from datajob_controller.datajob.decide import decide
from datajob_controller.runtime.types import Observed, Obstacle
from tests.support.world import NOW, SETTINGS, World, datajob

RETRY = {"limit": 0, "backoffSeconds": 10}


def finished(world: World) -> str:
    """The reason of the condition `Finished`, which is True."""
    condition = world.condition("Finished")
    assert condition["status"] == "True" and condition["message"]
    return str(condition["reason"])


@pytest.mark.parametrize("phase", ["Starting", "Running", "Retrying", "Complete", "Failed"])
def test_a_new_restart_id_starts_a_new_run_in_every_phase(world: World, phase: str) -> None:
    steps = {"Running": world.set_running, "Retrying": world.fails, "Complete": world.succeeds}
    steps.get(phase, lambda: world.fails("Job entrypoint command failed with exit code 3") if phase == "Failed" else None)()
    assert world.status["phase"] == phase
    before = (world.status["runId"], world.status["rayJobName"])
    world.edit(restart={"id": "2"})
    world.settle()
    assert world.status["phase"] == "Starting"
    assert (world.status["failures"], len(world.ray_jobs)) == (0, 1)
    assert world.status["runId"] != before[0]
    assert world.status["rayJobName"] != before[1]
    assert "finished" not in world.status


def test_raising_the_retry_limit_continues_a_failed_run() -> None:
    world = World(datajob(retry=RETRY))
    world.settle()
    world.fails()
    assert finished(world) == "RetryLimitReached"
    run = world.status["runId"]
    world.edit(ttlSecondsAfterFinished=600)
    world.settle()
    assert world.status["phase"] == "Failed"
    world.later(100)
    world.edit(retry={"limit": 1, "backoffSeconds": 10})
    world.settle()
    assert (world.status["phase"], world.status["attempt"], world.status["runId"]) == ("Starting", 2, run)
    assert "finished" not in world.status
    assert world.condition("Finished")["status"] == "False"
    assert world.events.count("Continued") == 1
    world.fails()
    assert (finished(world), world.status["failures"]) == ("RetryLimitReached", 2)


def test_raising_the_deadline_continues_a_failed_run() -> None:
    world = World(datajob(deadlineSeconds=60))
    world.settle()
    world.later(60)
    world.settle()
    assert finished(world) == "DeadlineExceeded"
    world.later(60)
    world.edit(deadlineSeconds=100)  # has passed as well
    world.settle()
    assert world.status["phase"] == "Failed"
    world.edit(deadlineSeconds=300)
    world.settle()
    assert (world.status["phase"], world.status["attempt"]) == ("Starting", 2)
    world.now = NOW + timedelta(seconds=300)
    world.settle()
    assert finished(world) == "DeadlineExceeded"


def test_raising_a_limit_does_not_continue_a_run_that_a_retry_cannot_fix(world: World) -> None:
    world.fails("Job entrypoint command failed with exit code 3")
    assert finished(world) == "NotRetried"
    world.edit(retry={"limit": 99}, deadlineSeconds=9999)
    world.settle()
    assert world.status["phase"] == "Failed"


def test_a_raised_retry_limit_does_not_extend_the_deadline() -> None:
    world = World(datajob(retry=RETRY, deadlineSeconds=60))
    world.settle()
    world.fails()
    world.later(120)
    world.edit(retry={"limit": 5, "backoffSeconds": 10})
    world.settle()
    assert (world.status["phase"], finished(world)) == ("Failed", "DeadlineExceeded")


OBSTACLES = [
    (Obstacle("RayJobRefused", 'admission webhook "policy" denied the request'), SETTINGS.obstacle_seconds),
    (Obstacle("NameTaken", "RayJob x already exists"), SETTINGS.obstacle_seconds),
    (Obstacle("QuotaExceeded", "exceeded quota: rayjobs"), SETTINGS.scheduling_seconds),
    (Obstacle("RayJobRefused", 'User "controller" cannot create resource "rayjobs"'), SETTINGS.scheduling_seconds),
]


@pytest.mark.parametrize(("obstacle", "seconds"), OBSTACLES)
def test_a_job_whose_objects_are_refused_finishes_within_a_limit(obstacle: Obstacle, seconds: int) -> None:
    world = World(datajob())
    for later in (0, seconds - 1, 1):
        world.later(later)
        decision = decide(world.job, Observed(obstacle=obstacle), world.now, SETTINGS)
        world.job["status"] = decision.status or world.status
        assert world.status["phase"] == ("Failed" if later == 1 else "Pending")
    assert (finished(world), world.condition("Failed")["reason"]) == ("NotRetried", obstacle.reason)


def test_every_outcome_ends_a_wait_for_finished() -> None:
    invalid = World(datajob(resources={"workers": {"min": 5, "max": 1}}))
    invalid.settle()
    assert (finished(invalid), invalid.status["phase"], invalid.status["reason"]) == ("InvalidSpec", "Invalid", "InvalidSpec")
    complete = World(datajob())
    complete.settle()
    assert complete.condition("Finished")["status"] == "False"
    complete.succeeds()
    assert (finished(complete), complete.status["reason"]) == ("Succeeded", "Succeeded")
