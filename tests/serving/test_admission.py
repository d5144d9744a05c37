"""Which requests are accepted, and when others may come back."""

from __future__ import annotations

import pytest

from datajob.api.service.spec import KeyLimits
from datajob.serving.admission import Admission, Capacity
from datajob.serving.keys import ANONYMOUS, Key
from datajob.serving.openai.errors import ApiError
from datajob.serving.pacing import LONGEST_DELAY, PER_SECOND, RefusalPace


class Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


def key(**limits: int) -> Key:
    """A key with limits."""
    return Key("k", KeyLimits.model_validate(limits))


def refused(admission: Admission, who: Key = ANONYMOUS) -> ApiError:
    """The error of a request."""
    with pytest.raises(ApiError) as found:
        admission.enter(who)
    assert found.value.status == 429 and int(found.value.headers["Retry-After"]) >= 1
    return found.value


def test_requests_beyond_the_limit_are_refused_until_one_has_left(clock: Clock) -> None:
    admission = Admission(Capacity(2, None), clock)
    first, _ = admission.enter(ANONYMOUS), admission.enter(ANONYMOUS)
    assert refused(admission).reason == "queue_full"
    admission.leave(first)
    assert admission.in_progress == 1
    admission.enter(ANONYMOUS)


def test_retry_after_follows_the_time_of_requests(clock: Clock) -> None:
    admission = Admission(Capacity(1, None), clock)
    for _ in range(100):
        ticket = admission.enter(ANONYMOUS)
        clock.now += 20
        admission.leave(ticket, 1, complete=True)
    admission.enter(ANONYMOUS)
    assert refused(admission).headers["Retry-After"] == "20"


def test_waiting_tokens_are_limited_but_a_single_large_request_is_not(clock: Clock) -> None:
    admission = Admission(Capacity(10, 100), clock)
    large, second = admission.enter(ANONYMOUS), admission.enter(ANONYMOUS)
    admission.reserve(large, 500)
    with pytest.raises(ApiError) as found:
        admission.reserve(second, 1)
    assert found.value.reason == "queued_tokens"
    admission.started(large)
    admission.reserve(second, 1)


def test_the_bodies_of_requests_in_progress_are_limited(clock: Clock) -> None:
    admission = Admission(Capacity(10, None, 100), clock)
    large, second = admission.enter(ANONYMOUS), admission.enter(ANONYMOUS)
    admission.hold(large, 90)
    admission.hold(second, 10)
    with pytest.raises(ApiError) as found:
        admission.hold(second, 1)
    assert (found.value.status, found.value.reason) == (429, "body_bytes")
    admission.leave(second)
    admission.hold(large, 1000)
    admission.leave(large)
    admission.hold(admission.enter(ANONYMOUS), 100)


def test_a_rate_refills_and_states_when(clock: Clock) -> None:
    admission, who = Admission(Capacity(10, None), clock), key(requestsPerMinute=6)
    for _ in range(6):
        admission.leave(admission.enter(who))
    assert refused(admission, who).headers["Retry-After"] == "10"
    clock.now += 10
    admission.enter(who)
    refused(admission, who)


def test_unused_tokens_are_returned(clock: Clock) -> None:
    admission, who = Admission(Capacity(10, None), clock), key(tokensPerMinute=100)
    ticket = admission.enter(who)
    admission.reserve(ticket, 90)
    assert admission.headers(who)["x-ratelimit-remaining-tokens"] == "10"
    second = admission.enter(who)
    with pytest.raises(ApiError) as found:
        admission.reserve(second, 20)
    assert (found.value.reason, found.value.headers["Retry-After"]) == ("key_tokens", "6")
    admission.leave(ticket, 30)
    admission.reserve(second, 20)


def test_a_request_above_the_tokens_of_a_minute_waits_for_a_full_budget(clock: Clock) -> None:
    admission, who = Admission(Capacity(10, None), clock), key(tokensPerMinute=100)
    ticket = admission.enter(who)
    admission.reserve(ticket, 250)
    admission.leave(ticket, 250)
    second = admission.enter(who)
    with pytest.raises(ApiError) as found:
        admission.reserve(second, 1)
    assert int(found.value.headers["Retry-After"]) == 91  # the debt is paid first
    clock.now += 91
    admission.reserve(second, 1)


def test_the_requests_of_a_key_in_progress_are_limited(clock: Clock) -> None:
    admission, who = Admission(Capacity(10, None), clock), key(concurrency=1)
    ticket = admission.enter(who)
    assert refused(admission, who).reason == "key_concurrency"
    admission.enter(ANONYMOUS)
    admission.leave(ticket)
    admission.enter(who)


def test_new_limits_of_a_key_keep_its_requests_in_progress(clock: Clock) -> None:
    admission = Admission(Capacity(10, None), clock)
    ticket = admission.enter(key(concurrency=5))
    assert refused(admission, key(concurrency=1)).reason == "key_concurrency"
    admission.leave(ticket)
    admission.enter(key(concurrency=1))


def test_while_the_server_stops_new_requests_are_sent_elsewhere(clock: Clock) -> None:
    admission = Admission(Capacity(10, None), clock, draining=True)
    with pytest.raises(ApiError) as found:
        admission.enter(ANONYMOUS)
    assert (found.value.status, found.value.code, found.value.headers["Retry-After"]) == (503, "shutting_down", "1")


def test_the_age_of_the_queue_is_that_of_its_oldest_request(clock: Clock) -> None:
    admission = Admission(Capacity(10, None), clock)
    first = admission.enter(ANONYMOUS)
    clock.now += 3
    admission.enter(ANONYMOUS)
    assert admission.queue_age == 3
    admission.started(first)
    assert admission.queue_age == 0


def test_refusals_are_delayed_only_if_there_are_many(clock: Clock) -> None:
    pace = RefusalPace(clock)
    assert [pace.delay() for _ in range(3)] == pytest.approx([0, 1 / PER_SECOND, 2 / PER_SECOND])
    clock.now += 1
    assert pace.delay() == 0
    assert max(pace.delay() for _ in range(10_000)) == LONGEST_DELAY
    clock.now += LONGEST_DELAY + 1
    assert pace.delay() == 0, "a burst has no effect afterward"
