"""Grants requests their turn: within the window and the limits per minute, and rejected requests before new ones."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from dataclasses import dataclass

from datajob.operators.inference._endpoints.pace import Pace
from datajob.operators.inference._endpoints.window import Window

SMOOTHING = 0.1


@dataclass(frozen=True)
class Size:
    """What is known about the tokens of a request before it is sent."""

    characters: int
    longest_answer: int = 0
    """In tokens."""


class Gate:
    """The turns of the requests to one endpoint. Used by a single event loop.

    After a rejected request, its turn stays unused until it may be repeated, plus the usual duration of a request. Thus a
    server that rejects requests gets fewer of them. The rejected request itself takes the next turn that another one returns.
    """

    def __init__(self, window: Window, pace: Pace) -> None:
        self.window, self._pace = window, pace
        self._loop = asyncio.get_running_loop()
        self._queue: list[tuple[float, int, Size, asyncio.Future[float]]] = []
        self._numbers = itertools.count()
        self._active = self._held = 0
        self._latency = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, size: Size, since: float = math.inf) -> float:
        """Wait for a turn. `since`: when a repeated request was first sent. Returns the tokens that it is expected to use."""
        turn: asyncio.Future[float] = self._loop.create_future()
        heapq.heappush(self._queue, (since, next(self._numbers), size, turn))
        self._grant()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.cancel()
            raise

    def leave(self, seconds: float, rejected: float | None = None) -> None:
        """A request ended after `seconds`. `rejected`: if the server was overloaded, when the request will be repeated."""
        self._active -= 1
        self.window.reply(self._loop.time(), rejected is None, bool(self._queue))
        if rejected is None:
            self._latency += (seconds - self._latency) * (SMOOTHING if self._latency else 1.0)
        else:
            self._held += 1
            self._loop.call_later(rejected + self._latency, self._release)
        self._grant()

    def correct(self, size: Size, expected: float, prompt: int, answer: int) -> None:
        """The tokens that a request used."""
        self._pace.answered(self._loop.time(), expected, size.characters, prompt, answer)

    def cancel(self) -> None:
        """A request ended without a reply from which anything can be learned."""
        self._active -= 1
        self._grant()

    def _release(self) -> None:
        self._held -= 1
        self._grant()

    def _grant(self) -> None:
        """Give turns to as many requests as may be sent now."""
        while self._queue:
            since, _, size, turn = self._queue[0]
            if turn.done():  # cancelled
                heapq.heappop(self._queue)
                continue
            due = self._active == 0 and since < math.inf
            if self._active >= self.window.size - self._held and not due:
                return
            if (wait := self._pace.wait(self._loop.time())) > 0:
                self._wake(wait)
                return
            heapq.heappop(self._queue)
            self._active += 1
            turn.set_result(self._pace.sent(self._loop.time(), size.characters, size.longest_answer))

    def _wake(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._grant)
