"""The work queue: one worker per key, nothing is lost, and a failing key never delays the others."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from datajob_controller.runtime.workqueue import WorkQueue
from tests.support import virtual_time


def run(handle: Callable[[str], Awaitable[None]], keys: list[str], until: Callable[[], bool]) -> WorkQueue[str]:
    """Process keys with four workers until a condition is true."""
    queue: WorkQueue[str] = WorkQueue()

    async def main() -> None:
        workers = [asyncio.create_task(queue.work(handle, lambda _: None)) for _ in range(4)]
        for key in keys:
            queue.add(key)
        async with asyncio.timeout(240):
            while not until():
                await asyncio.sleep(0)
        for worker in workers:
            worker.cancel()

    asyncio.run(main())
    return queue


def test_a_key_that_is_added_twice_is_processed_once() -> None:
    seen: list[str] = []

    async def handle(key: str) -> None:
        seen.append(key)

    run(handle, ["a", "a", "b", "a"], lambda: len(seen) >= 2)
    assert sorted(seen) == ["a", "b"]


def test_a_key_that_is_added_during_processing_is_processed_again_but_never_concurrently() -> None:
    at_work, most, seen = 0, 0, 0
    queue: WorkQueue[str] = WorkQueue()

    async def handle(key: str) -> None:
        nonlocal at_work, most, seen
        at_work += 1
        most = max(most, at_work)
        seen += 1
        if seen < 5:
            queue.add(key)
        await asyncio.sleep(0)
        at_work -= 1

    async def main() -> None:
        workers = [asyncio.create_task(queue.work(handle, lambda _: None)) for _ in range(4)]
        queue.add("a")
        async with asyncio.timeout(240):
            while seen < 5 or at_work:
                await asyncio.sleep(0)
        for worker in workers:
            worker.cancel()

    asyncio.run(main())
    assert (seen, most) == (5, 1)


def test_one_failing_key_never_blocks_the_others() -> None:
    seen: list[str] = []

    async def handle(key: str) -> None:
        if key == "poison":
            raise RuntimeError("never")
        seen.append(key)

    queue = run(handle, ["poison", *map(str, range(50))], lambda: len(seen) == 50)
    assert queue.longest_wait() == 0


def test_a_key_that_failed_is_retried() -> None:
    tries = 0

    async def handle(key: str) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise RuntimeError("once")

    run(handle, ["a"], lambda: tries == 2)


def test_of_two_delayed_requests_the_earlier_one_wins() -> None:
    seen: list[float] = []
    queue: WorkQueue[str] = WorkQueue()

    async def handle(key: str) -> None:
        seen.append(asyncio.get_running_loop().time())

    async def main() -> float:
        worker = asyncio.create_task(queue.work(handle, lambda _: None))
        began = asyncio.get_running_loop().time()
        queue.add_after("a", 30)
        queue.add_after("a", 0.05)
        queue.add_after("a", 20)
        async with asyncio.timeout(240):
            while not seen:
                await asyncio.sleep(0.01)
        worker.cancel()
        queue.cancel_timer("a")
        return began

    began = virtual_time.run(main())
    assert seen[0] - began == pytest.approx(0.05)


def test_keys_that_need_no_request_leave_time_for_other_tasks() -> None:
    """Otherwise, the Lease could not be renewed while a new leader looks at thousands of finished jobs."""
    seen = ticks = 0
    queue: WorkQueue[int] = WorkQueue()

    async def handle(_: int) -> None:
        nonlocal seen
        seen += 1

    async def main() -> None:
        nonlocal ticks
        for key in range(1000):
            queue.add(key)
        workers = [asyncio.create_task(queue.work(handle, lambda _: None)) for _ in range(4)]
        while seen < 1000:
            ticks += 1
            await asyncio.sleep(0)
        for worker in workers:
            worker.cancel()

    asyncio.run(main())
    assert ticks >= 100
