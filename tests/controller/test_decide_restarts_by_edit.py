"""An edit that starts another run leaves an Event and an attempt that name what was edited."""

from typing import Any

import pytest

from datajob_controller.datajob.specs import changed_fields, digests
from datajob_controller.runtime.manifests import rfc3339
from tests.support.pod_states import UNSCHEDULABLE
from tests.support.world import NOW, World, datajob, pod

STEPS = [{"filter": {"where": "a > 1"}}, {"limit": {"count": 5}}]
SINK = {"parquet": {"path": "s3://lake/other/"}}


def test_an_edit_while_the_job_runs_is_recorded() -> None:
    world = World(datajob(steps=STEPS))
    world.settle()
    world.set_running()
    first = world.status["rayJobName"]
    world.later(60)
    world.edit(steps=[STEPS[0], {"limit": {"count": 6}}])
    world.settle()
    assert world.events.count("Restarted") == 1
    (attempt,) = world.status["attempts"]
    assert attempt == {
        "number": 1,
        "rayJobName": first,
        "reason": "Restarted",
        "message": "Restarted because spec.steps[1] changed.",
        "started": rfc3339(NOW),
        "finished": rfc3339(world.now),
    }
    assert (world.status["phase"], world.status["attempt"], world.status["failures"]) == ("Starting", 1, 0)


def test_the_attempts_of_the_new_run_follow_those_of_the_earlier_one(world: World) -> None:
    world.fails()
    world.later(10)
    world.settle()
    world.edit(sink=SINK)
    world.settle()
    world.fails()
    assert [(a["number"], a["reason"]) for a in world.status["attempts"]] == [
        (1, "DriverFailed"),
        (2, "Restarted"),
        (1, "DriverFailed"),
    ]
    assert world.status["failures"] == 1
    world.later(10)
    world.settle()
    assert world.status["attempt"] == 2
    assert len({a["rayJobName"] for a in world.status["attempts"]} | {world.status["rayJobName"]}) == 4


def test_an_edit_that_is_reverted_creates_another_rayjob(world: World) -> None:
    """Two Events about RayJobs with the same name would look like one RayJob that was created twice."""
    names, sink = [world.status["rayJobName"]], world.job["spec"]["sink"]
    for edited in (SINK, sink, SINK):
        world.edit(sink=edited)
        world.settle()
        names.append(world.status["rayJobName"])
    assert len(set(names)) == 4
    assert [name.rpartition("-")[2] for name in names] == ["1", "1", "2", "2"]


@pytest.mark.parametrize(("exit_code", "reason"), [(0, "Succeeded"), (3, "InputError")])
def test_an_edit_of_a_finished_job_keeps_its_last_attempt(world: World, exit_code: int, reason: str) -> None:
    if exit_code:
        world.fails(f"Job entrypoint command failed with exit code {exit_code}")
    else:
        world.succeeds()
    first, finished = world.status["rayJobName"], world.status["finished"]
    world.later(60)
    world.edit(sink=SINK)
    world.settle()
    assert world.events[-2:] == ["Restarted", "ClusterStarting"]
    (attempt,) = world.status["attempts"]
    assert (attempt["rayJobName"], attempt["reason"], attempt["finished"]) == (first, reason, finished)


def test_a_first_run_and_lifecycle_edits_are_not_restarts(world: World) -> None:
    world.edit(retry={"limit": 9})
    world.settle()
    assert "Restarted" not in world.events


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        ({"sink": SINK}, "spec.sink"),
        ({"steps": [STEPS[0]]}, "spec.steps[1]"),
        ({"steps": [{"limit": {"count": 1}}, *STEPS]}, "spec.steps"),
        ({"resources": {"workers": {"memory": "64Gi"}}}, "spec.resources.workers"),
        ({"runtime": {"image": "x", "env": [{"name": "A", "value": "b"}]}}, "spec.runtime.image, spec.runtime.env"),
        ({"restart": {"id": "2"}, "sink": SINK}, "spec.sink, spec.restart"),
    ],
)
def test_the_edited_fields_are_named(edit: dict[str, Any], named: str) -> None:
    spec = datajob(steps=STEPS)["spec"]
    assert changed_fields(digests(spec)["fields"], digests({**spec, **edit})["fields"]) == named


def test_a_status_without_digests_of_fields_names_the_spec() -> None:
    assert changed_fields({}, digests(datajob()["spec"])["fields"]) == "the spec"


def test_a_pod_that_waits_for_the_end_of_the_earlier_ones_is_not_reported(world: World) -> None:
    old = pod(world.status["rayJobName"], head=False, name="old-worker", phase="Running")
    world.fails()
    old["metadata"]["deletionTimestamp"] = rfc3339(world.now)
    world.later(10)
    world.pods = [old]
    world.settle()
    new = pod(world.status["rayJobName"], head=False, name="new-worker", **UNSCHEDULABLE)
    world.pods = [old, new]
    world.settle()
    assert world.condition("Reconciling")["reason"] == "ClusterStarting"
    world.pods = [new]
    world.settle()
    assert world.condition("Reconciling")["reason"] == "Unschedulable"
    assert world.events.count("Unschedulable") == 1
