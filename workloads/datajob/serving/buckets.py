"""Rates per minute: a budget that refills continuously."""

from __future__ import annotations

from collections.abc import Callable

PERIOD = 60.0


class Budget:
    """What may still be used of a limit per minute."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._clock, self._at, self._left = clock, clock(), float(limit)

    @property
    def remaining(self) -> int:
        """What may be used now."""
        return max(0, int(self._refilled()))

    @property
    def reset_seconds(self) -> float:
        """The time until the budget is full again."""
        return self._time_for(self.limit - self._refilled())

    def wait_for(self, amount: float) -> float:
        """The time until an amount is available; 0 if it is now. An amount above the limit needs the full budget."""
        return self._time_for(min(amount, self.limit) - self._refilled())

    def use(self, amount: float) -> None:
        """Use an amount, or return a negative one. The budget may become negative."""
        self._left = min(float(self.limit), self._refilled() - amount)

    def _time_for(self, amount: float) -> float:
        return max(0.0, amount) * PERIOD / self.limit

    def _refilled(self) -> float:
        now = self._clock()
        self._left = min(float(self.limit), self._left + (now - self._at) * self.limit / PERIOD)
        self._at = now
        return self._left
