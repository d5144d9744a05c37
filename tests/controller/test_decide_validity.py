"""A spec is judged once: neither a stricter release nor an invalid edit affects a run that was accepted."""

from dataclasses import replace
from typing import Any

import pytest

from datajob_controller.datajob.specs import CheckedSpec, check_spec, digests, lifecycle_only
from datajob_controller.runtime.manifests import Manifest
from tests.support.reports import report
from tests.support.world import World, datajob

INVALID: dict[str, Any] = {"resources": {"workers": {"min": 5, "max": 1}}}
VALID: dict[str, Any] = {"resources": {"workers": {"min": 1, "max": 1}}}
OUTPUT = {"manifest": "s3://m.json", "files": 2, "bytes": 9, "rows": 90}


def stricter(job: Manifest) -> CheckedSpec:
    """A release with one more check, which the job does not pass."""
    return replace(check_spec(job), problems=("spec.sink: is not allowed any more",))


def without_operator(job: Manifest) -> CheckedSpec:
    """A release that does not know a field of the job."""
    return CheckedSpec(None, ("spec.steps[0]: there is no operator `old`",), digests(job["spec"]))


RELEASES = pytest.mark.parametrize("release", [stricter, without_operator])


def complete(**spec: Any) -> World:
    world = World(datajob(**spec))
    world.settle()
    world.reports(report("complete", output=OUTPUT))
    world.succeeds()
    return world


def facts(world: World) -> dict[str, Any]:
    """The status apart from its verdict about the spec."""
    return {key: value for key, value in world.status.items() if key not in ("conditions", "observedGeneration", "specDigests")}


@RELEASES
def test_a_stricter_release_does_not_stop_a_running_job(world: World, release: Any) -> None:
    world.set_running()
    before, ray_jobs = facts(world), dict(world.ray_jobs)
    world.checks = release
    world.settle()
    assert (facts(world), world.ray_jobs) == (before, ray_jobs)
    assert world.true() == {"Accepted", "Running", "Reconciling"}
    assert world.condition("Accepted")["reason"] == "AcceptedEarlier"
    assert "spec." in world.condition("Accepted")["message"]
    assert world.events[-1] == "AcceptedEarlier"
    world.succeeds()
    assert world.status["phase"] == "Complete"
    assert world.events.count("AcceptedEarlier") == 1


@RELEASES
@pytest.mark.parametrize("result", ["succeeds", "fails"])
def test_a_stricter_release_keeps_a_finished_job(release: Any, result: str) -> None:
    world = World(datajob(retry={"limit": 0}))
    world.settle()
    getattr(world, result)()
    before = world.status
    world.checks = release
    decision = world.decide()
    assert not (decision.create or decision.delete or decision.status or decision.events)
    assert world.status == before


@RELEASES
def test_an_edited_lifecycle_field_still_applies_under_a_stricter_release(world: World, release: Any) -> None:
    world.set_running()
    world.checks = release
    world.edit(suspend=True)
    world.settle()
    assert (world.status["phase"], world.ray_jobs) == ("Suspended", {})
    assert world.condition("Accepted")["reason"] == "AcceptedEarlier"


def test_a_stricter_release_retries_a_run_that_it_can_parse(world: World) -> None:
    world.checks = stricter
    world.fails()
    world.later(60)
    world.settle()
    assert (world.status["phase"], world.status["attempt"]) == ("Starting", 2)


def test_a_run_that_cannot_be_parsed_waits_for_a_release_that_can(world: World) -> None:
    world.checks = without_operator
    world.fails()
    world.later(60)
    world.settle()
    assert world.true() == {"Stalled", "Finished"}
    assert len(world.status["attempts"]) == world.status["failures"] == 1
    world.checks = check_spec
    world.settle()
    assert (world.status["phase"], world.status["attempt"]) == ("Starting", 2)


@RELEASES
def test_a_stricter_release_refuses_new_jobs(release: Any) -> None:
    world = World(datajob())
    world.checks = release
    world.settle()
    assert world.true() == {"Stalled", "Finished"}
    assert world.ray_jobs == {}


def test_an_invalid_edit_of_a_complete_job_keeps_its_result() -> None:
    world = complete()
    before = facts(world)
    world.edit(**INVALID)
    world.settle()
    assert facts(world) == before
    assert world.true() == {"Complete", "Finished", "Stalled"}
    assert world.condition("Accepted")["reason"] == "InvalidSpec"
    assert "spec.resources.workers" in world.condition("Accepted")["message"]
    assert world.status["observedGeneration"] == 2
    world.edit(**VALID)
    world.settle()
    assert (facts(world), world.true()) == (before, {"Accepted", "Complete", "Finished"})


def test_a_failed_job_shows_its_failure_again_after_an_invalid_edit() -> None:
    world = World(datajob(retry={"limit": 0}))
    world.settle()
    world.fails()
    before = world.condition("Stalled")
    world.edit(**INVALID)
    world.settle()
    assert world.condition("Stalled")["reason"] == "InvalidSpec"
    world.edit(**VALID)
    world.settle()
    assert world.condition("Stalled") == {**before, "observedGeneration": 3}
    assert world.status["phase"] == "Failed"


def test_an_invalid_edit_does_not_stop_a_running_job(world: World) -> None:
    world.set_running()
    before, ray_jobs = facts(world), dict(world.ray_jobs)
    world.edit(**INVALID)
    world.settle()
    assert (facts(world), world.ray_jobs) == (before, ray_jobs)
    assert world.true() == {"Running", "Reconciling"}
    assert world.events[-1] == "InvalidSpec"
    world.edit(**VALID)
    world.settle()
    assert (facts(world), world.ray_jobs) == (before, ray_jobs)
    assert world.true() == {"Accepted", "Running", "Reconciling"}


def test_no_attempt_starts_with_an_invalid_edit(world: World) -> None:
    world.set_running()
    world.edit(**INVALID)
    world.fails()
    world.later(60)
    world.settle()
    assert world.true() == {"Stalled", "Finished"}
    assert len(world.status["attempts"]) == 1
    world.edit(**VALID)
    world.settle()
    assert (world.status["phase"], world.status["attempt"]) == ("Starting", 2)


def test_a_job_can_be_suspended_together_with_an_invalid_edit(world: World) -> None:
    world.set_running()
    world.edit(**INVALID, suspend=True)
    world.settle()
    assert world.ray_jobs == {}
    assert world.true() == {"Suspended"}


def test_a_valid_edit_after_an_invalid_one_starts_a_new_run() -> None:
    world = complete()
    world.edit(**INVALID)
    world.settle()
    world.edit(**VALID, sink={"parquet": {"path": "s3://lake/other/"}})
    world.settle()
    assert world.true() == {"Accepted", "Reconciling"}
    assert "output" not in world.status


def test_a_release_that_accepts_an_invalid_edit_runs_it() -> None:
    world = complete()
    world.checks = stricter
    world.edit(sink={"parquet": {"path": "s3://lake/other/"}})
    world.settle()
    assert world.condition("Accepted")["reason"] == "InvalidSpec"
    world.checks = check_spec
    world.settle()
    assert world.true() == {"Accepted", "Reconciling"}


def test_lifecycle_fields_that_are_invalid_are_ignored() -> None:
    spec = lifecycle_only(datajob(retry={"limit": 7}, deadlineSeconds=-1, suspend=True, steps=[{"nonsense": {}}]))
    assert (spec.retry.limit, spec.deadline_seconds, spec.suspend) == (7, None, True)


@pytest.mark.parametrize(
    "same",
    [
        {"steps": [{"sample": {"ratio": 1.0}}], "errors": {"maxRatio": 1, "policy": "drop"}},
        {"errors": {"policy": "drop", "maxRatio": 1.0}, "steps": [{"sample": {"ratio": 1}}]},
        {
            "errors": {"policy": "drop", "maxRatio": 1},
            "steps": [{"sample": {"ratio": 1}}],
            "retry": {"limit": 9},
            "suspend": True,
        },
    ],
)
def test_order_notation_and_lifecycle_fields_do_not_change_the_digests(same: dict[str, Any]) -> None:
    reference = {"errors": {"policy": "drop", "maxRatio": 1}, "steps": [{"sample": {"ratio": 1}}]}
    assert digests(datajob(**same)["spec"]) == digests(datajob(**reference)["spec"])


def test_digests_never_change_between_releases() -> None:
    spec = datajob(steps=[{"filter": {"where": "a > 1.5"}}], runtime={"image": "é"}, queueName="q")["spec"]
    found = digests(spec)
    assert (found["run"], found["result"]) == ("7eb314dd2cc2dbf6", "9aaf9de92f1e714e")
