"""A large or deeply nested object takes its time without delaying other objects, probes or the renewal of the Lease."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest

from hack.cluster.waiting import wait_for
from tests.control_plane.conftest import Start, replace
from tests.support.api import Refused
from tests.support.api_jobs import Jobs

LARGEST_TEXT = 16_384
DEEP = 9_000


def conditions(number: int) -> str:
    """An expression of the largest size, of many parts, that no other step has."""
    text = " AND ".join(f"a{number} > {part}" for part in range(LARGEST_TEXT // 12))
    return text[:LARGEST_TEXT].rpartition(" AND ")[0]


LARGE: dict[str, Any] = {"steps": [{"filter": {"where": conditions(number)}} for number in range(62)]}
NESTED = {
    "lists": "[" * 2000 + "1" + "]" * 2000,
    "parentheses": "(" * 2000 + "1" + ")" * 2000,
    "CASE": "CASE WHEN a THEN " * 500 + "1" + " END" * 500,
    "operators": "a || " * 3000 + "a",
}


def test_an_object_of_a_megabyte_does_not_delay_other_objects(jobs: Jobs, start: Start) -> None:
    controller = start()
    wait_for(controller.leads, "the controller to lead")
    jobs.apply("warm")
    jobs.ray_job(name="warm")
    assert len(json.dumps(LARGE)) > 1_000_000
    jobs.apply("large", **LARGE)
    pauses, small = [], 0
    began = time.monotonic()
    while "phase" not in jobs.status("large"):
        asked = time.monotonic()
        assert controller.live()
        pauses.append(time.monotonic() - asked)
        name = f"small-{small}"
        jobs.apply(name)
        jobs.ray_job(name=name)
        small += 1
    took = time.monotonic() - began
    print(f"checked in {took:.1f} s; {small} other jobs started; longest probe {max(pauses):.3f} s")
    assert small >= 2, "others had to wait"
    assert max(pauses) < took / 2, "a probe had to wait"
    assert controller.leads()


@pytest.mark.parametrize("expression", NESTED.values(), ids=list(NESTED))
def test_a_deeply_nested_expression_gets_a_verdict(jobs: Jobs, start: Start, expression: str) -> None:
    controller = start()
    jobs.apply("deep", steps=[{"compute": {"columns": {"x": expression}}}])
    wait_for(lambda: "phase" in jobs.status("deep"), "a verdict")
    jobs.apply("other")
    jobs.ray_job(name="other")
    assert not controller.errors()


def events(jobs: Jobs, name: str) -> list[str]:
    found = jobs.api.list("events", jobs.namespace)
    return [event["message"] for event in found if event["involvedObject"]["name"] == name]


def test_a_deeply_nested_object_does_not_affect_others(jobs: Jobs, start: Start) -> None:
    controller = start()
    wait_for(controller.leads, "the controller to lead")
    text = json.dumps(jobs.manifest("deep", runtime={"env": [{"name": "A", "deep": "DEEP"}]}))
    body = text.replace('"DEEP"', '{"a": ' * DEEP + "1" + "}" * DEEP).encode()
    with suppress(RecursionError):  # of this test, by the response
        jobs.api.request("POST", f"apis/datajob.io/v1alpha1/namespaces/{jobs.namespace}/datajobs", body)
    jobs.apply("first")
    jobs.ray_job(name="first")
    wait_for(lambda: "levels deep" in str(events(jobs, "deep")), "a verdict")
    replace(controller, jobs.api, start)  # the next controller lists the objects
    jobs.apply("third")
    jobs.ray_job(name="third")


def test_a_text_that_is_too_long_is_refused(jobs: Jobs) -> None:
    with pytest.raises(Refused, match="Too long"):
        jobs.apply(steps=[{"filter": {"where": "a > 1 and " * 2000 + "true"}}])
