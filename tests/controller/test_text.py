"""No text from a pod makes a status too large or contains terminal escape sequences."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datajob.api.status import DataJobStatus
from datajob_controller.datajob.text import MAX_STATUS, MAX_TEXT, fitted, plain, shortened
from tests.support.reports import report
from tests.support.world import World, datajob, pod

BANNER = "\x1b[36mRay runtime started.\x1b[39m \x1b]0;title\x07\x1b[1;31mboom\x1b[0m\x00"


def test_a_text_has_no_escape_sequences_and_no_control_characters() -> None:
    assert plain(BANNER) == "Ray runtime started. boom"
    assert plain("two\n\tlines \ud800of text") == "two\n\tlines of text"


@given(st.text(max_size=300), st.integers(30, 200))
def test_a_shortened_text_is_within_its_limit(text: str, limit: int) -> None:
    short = shortened(text, limit)
    assert len(short) <= limit
    assert shortened(short, limit) == short
    json.dumps(short).encode()


def test_a_shortened_text_keeps_its_beginning_and_its_end() -> None:
    short = shortened("The head pod x terminated: " + "a" * 10_000 + " KeyError: 'text'")
    assert short.startswith("The head pod x terminated: ")
    assert short.endswith(" KeyError: 'text'")
    assert len(short) == MAX_TEXT


def size(status: dict[str, Any]) -> int:
    DataJobStatus.model_validate(status)
    return len(json.dumps(status, ensure_ascii=False).encode())


@pytest.mark.parametrize("character", ["x", "\U0001f600", "\x1b[31m"])
def test_ten_attempts_with_huge_messages_fit(character: str) -> None:
    world = World(datajob(retry={"limit": 20, "backoffSeconds": 1}))
    world.settle()
    for number in range(12):
        world.reports(report("failed", message=character * 200_000, exitCode=1))
        world.fails(character * 200_000 + f" exit code 1 {number}")
        world.later(3600)
        world.settle()
    assert len(world.status["attempts"]) == 10
    assert size(world.status) <= MAX_STATUS


@pytest.mark.slow
def test_a_huge_report_fits() -> None:
    world = World(datajob())
    world.settle()
    steps = [{"name": f"{n}-" + "s" * 5000, "rejected": {f"{r}-" + "r" * 5000: 1 for r in range(300)}} for n in range(300)]
    world.reports(report(steps=steps, output={"manifest": "m" * 100_000}))
    world.set_running()
    assert size(world.status) <= MAX_STATUS
    assert world.status["progress"]["percent"] == 30
    assert world.settle().status is None


def test_a_head_that_terminates_leaves_no_escape_sequences(world: World) -> None:
    world.set_running()
    terminated = {"name": "ray-head", "state": {"terminated": {"exitCode": 137, "message": BANNER * 10_000}}}
    world.pods = [pod(world.status["rayJobName"], containerStatuses=[terminated])]
    world.settle()
    assert "HeadFailed" in world.events
    assert "\x1b" not in json.dumps(world.status)
    assert "\\u001b" not in json.dumps(world.status)
    assert size(world.status) <= MAX_STATUS


def test_a_small_status_is_not_changed() -> None:
    status = {"steps": [{"name": "a", "rejected": {"b": 1}}], "attempts": [{"message": "x"}]}
    assert fitted(status) == status
