"""A queue of keys to work on: a key is worked on by one worker at a time, and again if it was added meanwhile.

A key whose work failed waits longer each time, and never keeps others from their turn.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0

logger = logging.getLogger(__name__)


class WorkQueue(Generic[K]):
    """Keys with the time at which they became due."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._working: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._ready: asyncio.Queue[K] = asyncio.Queue()

    def add(self, key: K) -> None:
        """Work on a key as soon as a worker is free."""
        if key not in self._due:
            self._due[key] = _now()
            if key not in self._working:
                self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Work on a key after some time; an earlier wish for the same key stands."""
        when = _now() + max(0.0, seconds)
        timer = self._timers.get(key)
        if timer is None or timer.when() > when:
            self.forget_timer(key)
            self._timers[key] = asyncio.get_running_loop().call_at(when, self._timer_ends, key)

    def forget_timer(self, key: K) -> None:
        """Drop the wish for later."""
        if timer := self._timers.pop(key, None):
            timer.cancel()

    def depth(self) -> int:
        """Keys that wait for a worker."""
        return len(self._due)

    def longest_wait(self) -> float:
        """Seconds that the oldest waiting key has waited; of keys that are being worked on, their next turn does not count."""
        return max((_now() - since for key, since in self._due.items() if key not in self._working), default=0.0)

    async def work(self, handle: Callable[[K], Awaitable[None]], waited: Callable[[float], None]) -> None:
        """Take keys for ever. `handle` may raise: the key comes again, later each time."""
        while True:
            key = await self._ready.get()
            waited(_now() - self._due.pop(key))
            self.forget_timer(key)
            self._working.add(key)
            try:
                await handle(key)
                self._failures.pop(key, None)
            except Exception:
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                delay = min(FIRST_DELAY * 2 ** min(failures - 1, 16), LONGEST_DELAY)
                logger.warning("%s failed %d times, again in %.1f s", key, failures, delay, exc_info=True)
                self.add_after(key, delay)
            finally:
                self._working.discard(key)
                if key in self._due:
                    self._ready.put_nowait(key)

    def _timer_ends(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)


def _now() -> float:
    return asyncio.get_running_loop().time()
