"""The lifecycle of a DataJob without faults."""

from datetime import timedelta

import pytest

from datajob_controller.datajob.decide import decide
from datajob_controller.runtime.manifests import rfc3339
from datajob_controller.runtime.types import Observed
from tests.support.reports import report
from tests.support.world import NOW, SETTINGS, World, datajob, run_name

ALL_CONDITIONS = ["Accepted", "Running", "Complete", "Failed", "Suspended", "Reconciling", "Stalled", "Finished"]


def test_the_rayjob_of_a_new_job_is_created_last(world: World) -> None:
    kinds = [one["kind"] for one in decide(datajob(), Observed(), NOW, SETTINGS).create]
    assert kinds == ["ConfigMap", "ConfigMap", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "RayJob"]
    assert world.status["phase"] == "Starting"
    assert world.status["rayJobName"] == f"{run_name(world.job)}-1"
    assert world.true() == {"Accepted", "Reconciling"}


def test_a_complete_run_takes_few_writes(world: World) -> None:
    world.set_running()
    world.succeeds()
    assert world.true() == {"Accepted", "Complete", "Finished"}
    assert world.status["phase"] == "Complete"
    assert world.events == ["ClusterStarting", "Completed"]
    assert world.writes <= 12


def test_all_conditions_are_present_in_the_first_status(world: World) -> None:
    assert [c["type"] for c in world.status["conditions"]] == ALL_CONDITIONS
    assert all(c["reason"] and c["observedGeneration"] == 1 for c in world.status["conditions"])


def test_a_transition_time_changes_only_with_the_status_of_its_condition(world: World) -> None:
    world.later(60)
    world.set_running()
    assert world.condition("Running")["lastTransitionTime"] == rfc3339(NOW + timedelta(seconds=60))
    assert world.condition("Accepted")["lastTransitionTime"] == rfc3339(NOW)


def test_the_status_shows_what_the_driver_reports(world: World) -> None:
    world.set_running()
    world.reports(report())
    world.settle()
    assert world.status["progress"]["percent"] == 30
    assert world.status["steps"][0]["rejected"] == {"short": 10}
    world.reports(report("complete", output={"manifest": "s3://m.json", "files": 2, "bytes": 9, "rows": 90}))
    world.succeeds()
    assert world.status["output"] == {"manifest": "s3://m.json", "files": 2, "bytes": 9, "rows": 90}
    assert world.condition("Complete")["message"] == "The job is complete: 90 rows written."


def test_a_last_report_that_arrives_after_the_end_is_still_used(world: World) -> None:
    world.succeeds()
    world.reports(report("complete", output={"manifest": "s3://m.json", "files": 2, "bytes": 9, "rows": 90}))
    world.settle()
    assert world.status["output"]["rows"] == 90
    assert world.status["phase"] == "Complete"


@pytest.mark.parametrize("text", ["", "not json", '{"state": "from the future"}'])
def test_an_unreadable_report_changes_nothing(world: World, text: str) -> None:
    world.set_running()
    before = world.status
    world.reports(text)
    world.settle()
    assert world.status == before
