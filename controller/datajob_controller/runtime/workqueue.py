"""A work queue: one worker processes a key at a time, and processes it again if it was added in the meantime.

A key whose processing failed is retried with exponential backoff and never delays other keys.
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
    """Keys and the times at which they became due."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._working: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._ready: asyncio.Queue[K] = asyncio.Queue()

    def add(self, key: K) -> None:
        """Process a key as soon as a worker is free."""
        if key not in self._due:
            self._due[key] = _now()
            if key not in self._working:
                self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Process a key after some time, or earlier if that was already requested."""
        when = _now() + max(0.0, seconds)
        timer = self._timers.get(key)
        if timer is None or timer.when() > when:
            self.cancel_timer(key)
            self._timers[key] = asyncio.get_running_loop().call_at(when, self._timer_expired, key)

    def cancel_timer(self, key: K) -> None:
        """Cancel a request to process a key later."""
        if timer := self._timers.pop(key, None):
            timer.cancel()

    def depth(self) -> int:
        """Number of keys that wait for a worker."""
        return len(self._due)

    def failing(self) -> int:
        """Number of keys whose last processing failed."""
        return len(self._failures)

    def longest_wait(self) -> float:
        """Seconds that the oldest key has waited. Keys that are being processed do not count."""
        return max((_now() - since for key, since in self._due.items() if key not in self._working), default=0.0)

    async def work(self, handle: Callable[[K], Awaitable[None]], waited: Callable[[float], None]) -> None:
        """Process keys forever. If `handle` raises, the key is retried with backoff."""
        while True:
            key = await self._ready.get()
            waited(_now() - self._due.pop(key))
            self.cancel_timer(key)
            self._working.add(key)
            try:
                await handle(key)
                self._failures.pop(key, None)
            except Exception:
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                delay = min(FIRST_DELAY * 2 ** min(failures - 1, 16), LONGEST_DELAY)
                logger.warning("%s failed %d times, retry in %.1f s", key, failures, delay, exc_info=True)
                self.add_after(key, delay)
            finally:
                self._working.discard(key)
                if key in self._due:
                    self._ready.put_nowait(key)
            await asyncio.sleep(0)  # thousands of keys that need no request must not delay the renewal of the Lease

    def _timer_expired(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)


def _now() -> float:
    return asyncio.get_running_loop().time()
