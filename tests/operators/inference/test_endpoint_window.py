"""The number of requests at the same time approaches the capacity of a server. Simulated with a virtual clock."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from datajob.operators.inference._endpoints.gate import Gate, Size
from datajob.operators.inference._endpoints.pace import Pace
from datajob.operators.inference._endpoints.window import Window


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        timers = self._scheduled  # type: ignore[attr-defined]
        if not self._ready and timers:  # type: ignore[attr-defined]
            self._now = max(self._now, timers[0].when())
        super()._run_once()  # type: ignore[misc]


Handle = Callable[[], Coroutine[Any, Any, float | None]]
"""One request: None if it is answered, otherwise the seconds that the server asks to wait (-1: it does not say)."""


async def served(handle: Handle, seconds: float, rng: random.Random) -> tuple[list[float], int, Window]:
    """The times of answers to an unlimited number of rows, and the number of rejections."""
    loop = asyncio.get_running_loop()
    window = Window()
    gate = Gate(window, Pace(None, None, 0.0))
    answered: list[float] = []
    rejected = 0

    async def row() -> None:
        nonlocal rejected
        began, sent = math.inf, 0
        while True:
            await gate.enter(Size(1), began)
            started = loop.time()
            began, sent = min(began, started), sent + 1
            wait = await handle()
            if wait is None:
                gate.leave(loop.time() - started)
                answered.append(loop.time())
                return
            rejected += 1
            backoff = rng.uniform(0, min(60.0, 0.5 * 2 ** (sent - 1)))
            delay = wait + rng.uniform(0, max(0.5, wait / 4)) if wait >= 0 else backoff
            gate.leave(loop.time() - started, delay)
            await asyncio.sleep(delay)

    async def rows() -> None:
        while True:
            await row()

    tasks = [loop.create_task(rows()) for _ in range(1024)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return answered, rejected, window


def queueing(slots: int, latency: float, rng: random.Random) -> Handle:
    """A server with `slots` answers at the same time; further requests wait."""
    free = asyncio.Semaphore(slots)

    async def handle() -> float | None:
        async with free:
            await asyncio.sleep(latency * rng.uniform(0.7, 1.3))
        return None

    return handle


def rejecting(slots: int, latency: float, rng: random.Random, after: float) -> Handle:
    """A server that rejects requests above its capacity."""
    used = 0

    async def handle() -> float | None:
        nonlocal used
        await asyncio.sleep(0.005)
        if used >= slots:
            return after
        used += 1
        await asyncio.sleep(latency * rng.uniform(0.7, 1.3))
        used -= 1
        return None

    return handle


def limited(rate: float, latency: float, rng: random.Random, after: float) -> Handle:
    """A server with a limit of requests per second."""
    loop = asyncio.get_running_loop()
    tokens, at = rate, loop.time()

    async def handle() -> float | None:
        nonlocal tokens, at
        tokens, at = min(rate, tokens + (loop.time() - at) * rate), loop.time()
        if tokens < 1:
            return after
        tokens -= 1
        await asyncio.sleep(latency * rng.uniform(0.7, 1.3))
        return None

    return handle


def flaky(handle: Handle, share: float, rng: random.Random) -> Handle:
    """A server that also rejects a share of all requests."""

    async def flaky_handle() -> float | None:
        await asyncio.sleep(0.005)
        return -1.0 if rng.random() < share else await handle()

    return flaky_handle


SERVERS: list[tuple[str, float, Callable[[random.Random], Handle]]] = [
    ("queue of 4", 4 / 1.0, lambda rng: queueing(4, 1.0, rng)),
    ("queue of 32", 32 / 1.0, lambda rng: queueing(32, 1.0, rng)),
    ("queue of 100", 100 / 1.0, lambda rng: queueing(100, 1.0, rng)),
    ("fast queue", 16 / 0.05, lambda rng: queueing(16, 0.05, rng)),
    ("rejects above 1", 1 / 0.5, lambda rng: rejecting(1, 0.5, rng, 1.0)),
    ("rejects above 20", 20 / 1.0, lambda rng: rejecting(20, 1.0, rng, 1.0)),
    ("rejects above 64 without Retry-After", 64 / 1.0, lambda rng: rejecting(64, 1.0, rng, -1.0)),
    ("20 per second", 20.0, lambda rng: limited(20.0, 0.05, rng, 1.0)),
    ("50 per second, slow", 50.0, lambda rng: limited(50.0, 1.0, rng, 1.0)),
    ("queue of 32 that rejects 20%", 32 / 1.0, lambda rng: flaky(queueing(32, 1.0, rng), 0.2, rng)),
]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("capacity", "server"), [(c, s) for _, c, s in SERVERS], ids=[name for name, _, _ in SERVERS])
def test_the_rate_of_a_server_is_found_within_30_seconds(
    capacity: float, server: Callable[[random.Random], Handle], seed: int
) -> None:
    rng = random.Random(seed)

    async def run() -> tuple[list[float], int, Window]:
        return await served(server(rng), 90, rng)

    loop = VirtualLoop()
    try:
        answered, rejected, window = loop.run_until_complete(run())
    finally:
        loop.close()
    rate = sum(30 <= at < 90 for at in answered) / 60
    print(f"{rate / capacity:.2f} of the capacity, {rejected / len(answered):.2f} rejections per answer, window {window.size}")
    assert rate >= 0.9 * capacity
    assert rejected <= 1.0 * len(answered)
