"""Steps with an endpoint keep to the limits of the server and of the job."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from datajob.operators.inference._endpoints.refusals import retry_after
from tests.support.endpoint_server import (
    Behavior,
    EndpointServer,
    refusing,
    rejecting,
)
from tests.support.endpoint_steps import Run, answers


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"Retry-After": "86400"}, 600),
        ({"Retry-After": format_datetime(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=42))}, 42),
        ({"Retry-After": format_datetime(datetime(2025, 1, 1, tzinfo=UTC))}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({}, None),
    ],
)
def test_the_time_to_wait_is_read_from_each_form_of_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


def test_a_server_is_not_asked_before_the_time_that_it_states(run: Run, server: EndpointServer) -> None:
    at: list[float] = []
    again = refusing(429, headers={"Retry-After": "1"})

    def refuse(call: Any) -> Behavior | None:
        at.append(time.monotonic())
        return again if len(at) <= 3 else None

    server.refuse = refuse
    found = run()
    assert not found.failed and min(at[3:]) - at[0] >= 1 and found.used[0].wait_seconds >= 3


def test_rejected_requests_end_in_answers_and_every_row_is_answered_once(run: Run, server: EndpointServer) -> None:
    server.refuse = rejecting(0.2, seed=5)
    rows = [str(i) for i in range(400)]
    found = run(rows=rows)
    assert answers(found) == [f"answer to say {row}" for row in rows] and not found.failed
    assert set(server.answered.values()) == {1}
    assert found.used[0].requests == len(server.calls) and found.used[0].retries == len(server.calls) - 400


def test_concurrency_limits_the_requests_at_the_same_time(run: Run, server: EndpointServer) -> None:
    server.together, server.seconds = 3, 0.01
    run(rows=[str(i) for i in range(60)], endpoint={"concurrency": 3})
    assert server.most == 3


def test_requests_and_tokens_per_minute_are_limits(run: Run, server: EndpointServer) -> None:
    for limit in ({"requestsPerMinute": 1200}, {"tokensPerMinute": 1200 * 7}):  # 7 tokens per row
        began = time.monotonic()
        run(rows=[f"{i:02}" for i in range(50)], endpoint=limit, max_new_tokens=2)
        assert time.monotonic() - began > (50 - 21) / 20 - 0.2, limit  # a second at once, then 20 per second
