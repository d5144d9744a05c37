"""Nothing that happens inside kopf keeps the controller waiting."""

import asyncio
import threading
from typing import Any

import kopf
import pytest

from datajob_controller.datajob.kind import datajob_kind
from datajob_controller.runtime import tasks, watch
from datajob_controller.runtime.watch import Watch, WatchEndedError
from tests.support.world import SETTINGS, datajob


async def stubborn(times: int) -> None:
    """A task that ignores some cancellations, like a watch of kopf that is cancelled while it connects."""
    for _ in range(times):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    await asyncio.Event().wait()


def made() -> Watch:
    return Watch([datajob_kind(SETTINGS)], ["DataJob"], "team-a", lambda manifest, what: received.append((manifest, what)))


received: list[tuple[dict[str, Any], str | None]] = []


def test_tasks_that_ignore_a_cancellation_are_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "END_SECONDS", 0.1)

    async def end() -> bool:
        root = asyncio.create_task(stubborn(1))
        other = asyncio.create_task(stubborn(2))
        await asyncio.sleep(0)
        await watch._end_all([root])
        return root.done() and other.done()

    assert asyncio.run(end())


def test_a_watch_is_over_at_once_although_kopf_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, released = threading.Event(), threading.Event()

    async def spawn(**_: Any) -> list[asyncio.Task[None]]:
        runs.set()
        released.wait(240)  # blocks the loop of kopf
        return [asyncio.create_task(stubborn(0))]

    monkeypatch.setattr(kopf, "spawn_tasks", spawn)

    async def cancel() -> None:
        one = made()
        running = asyncio.create_task(one.run())
        await asyncio.to_thread(runs.wait, 240)
        one._pass_on(datajob(), None)
        running.cancel()
        await asyncio.wait([running], timeout=240)
        assert running.cancelled() and not released.is_set()
        one._pass_on(datajob(), "ADDED")
        await asyncio.sleep(0)

    received.clear()
    try:
        asyncio.run(cancel())
    finally:
        released.set()
    assert [what for _, what in received] in ([], [None])  # nothing arrives from a watch that is over


def test_an_error_of_kopf_ends_the_watch_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> None:
        raise PermissionError("pods is forbidden")

    async def spawn(**_: Any) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(fail()), asyncio.create_task(stubborn(1))]

    monkeypatch.setattr(watch, "END_SECONDS", 0.1)
    monkeypatch.setattr(kopf, "spawn_tasks", spawn)

    async def run() -> None:
        await made().run()

    with pytest.raises(WatchEndedError, match="PermissionError: pods is forbidden"):
        asyncio.run(run())


def test_a_task_that_does_not_end_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CANCEL_SECONDS", 0.1)

    async def run() -> None:
        await tasks.first_of(asyncio.sleep(0), stubborn(1))

    asyncio.run(run())
