"""Spreads refusals over time: clients that repeat refused requests at once must not slow down the accepted ones."""

from __future__ import annotations

import time
from collections.abc import Callable

PER_SECOND = 200
"""Refusals that are sent per second; each costs up to a millisecond of the event loop, which also serves the engine."""
LONGEST_DELAY = 1.0
"""Maximum delay of a refusal in seconds. Beyond it, refusals are sent as fast as they are caused."""


class RefusalPace:
    """Delays refusals that are caused faster than `PER_SECOND`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock()

    def delay(self) -> float:
        """Seconds until the next refusal may be sent."""
        now = self._clock()
        due = min(max(now, self._next), now + LONGEST_DELAY)
        self._next = due + 1 / PER_SECOND
        return due - now
