"""No text from a pod makes a status too large or contains terminal escape sequences."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datajob.api.status import DataJobStatus
from datajob_controller.datajob.fitting import MAX_STATUS, fitted
from datajob_controller.datajob.policy.failure import last_lines
from datajob_controller.shared.text import MAX_TEXT, plain, shortened
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


RAY_START = """\x1b[37mUsage stats collection is disabled.\x1b[39m
2026-11-26 07:22:01,404\tINFO usage_lib.py:447 -- Usage stats collection is disabled.
2026-11-26 07:22:01,404\tINFO scripts.py:1043 -- \x1b[36mLocal node IP\x1b[39m: \x1b[1m10.244.0.7\x1b[22m
2026-11-26 07:22:03,871\tSUCC scripts.py:1080 -- \x1b[32m--------------------\x1b[39m
2026-11-26 07:22:03,871\tSUCC scripts.py:1081 -- \x1b[32mRay runtime started.\x1b[39m
2026-11-26 07:22:03,871\tSUCC scripts.py:1082 -- \x1b[32m--------------------\x1b[39m

2026-11-26 07:22:03,871\tINFO scripts.py:1084 -- \x1b[36mNext steps\x1b[39m
2026-11-26 07:22:03,871\tINFO scripts.py:1087 --   To add another node to this Ray cluster, run
    \x1b[1m  ray start --address='10.244.0.7:6379'\x1b[22m
  To connect to this Ray cluster:
    \x1b[35mimport\x1b[39m ray
    ray\x1b[35m.\x1b[39minit()
  To submit a Ray job using the Ray Jobs CLI:
  \x1b[1m  RAY_API_SERVER_ADDRESS='http://10.244.0.7:8265' ray job submit --working-dir . -- python my_script.py\x1b[22m
  See https://docs.ray.io/en/latest/cluster/running-applications/job-submission/index.html
  for more information on submitting Ray jobs to the Ray cluster.
  To terminate the Ray runtime, run
  \x1b[1m  ray stop\x1b[22m
  To view the status of the cluster, use
    \x1b[1mray status\x1b[22m\x1b[26m
  To monitor and debug Ray, view the dashboard at
    \x1b[1m10.244.0.7:8265\x1b[22m\x1b[26m
  If connection to the dashboard fails, check your firewall settings and network configuration.
\x1b[36m\x1b[1m--block\x1b[22m\x1b[39m
  This command will now block forever until terminated by a signal.
  Running subprocesses are monitored and a message will be printed if any of them terminate unexpectedly. \
Subprocesses exit with SIGTERM will be treated as graceful, thus NOT reported.
"""
ERROR = "2026-11-26 07:25:44,100 ERR scripts.py:1170 -- Some Ray subprocesses exited unexpectedly:\nraylet [exit code=-6]"


@pytest.mark.parametrize("cut", [0, 300, 900])
def test_what_ray_start_prints_is_not_the_reason_of_a_failure(cut: int) -> None:
    """The kubelet keeps the end of the output of a container, which may begin within a line."""
    shown = last_lines(RAY_START[cut:] + ERROR)
    assert shown.endswith(ERROR)
    assert len(shown.removesuffix(ERROR).splitlines()) <= (1 if cut else 0)
    assert "\x1b" not in shown


def test_a_head_that_printed_nothing_else_failed_without_a_message() -> None:
    world = World(datajob())
    world.settle()
    world.set_running()
    terminated = {"exitCode": 1, "reason": "Error", "message": RAY_START}
    world.pods = [
        pod(
            world.status["rayJobName"],
            phase="Failed",
            containerStatuses=[{"name": "ray-head", "state": {"terminated": terminated}}],
        )
    ]
    world.settle()
    message = world.status["attempts"][0]["message"]
    assert message.endswith(": no message")
