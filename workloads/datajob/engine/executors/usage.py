"""How busy the processes of a pool are, and how many rows they process, in total and recently."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from datajob.api.report import PoolReport

RECENT_SECONDS = 10.0
IDLE = 0.5
"""Processes that are busy for less than this share of the time are waiting."""


@dataclass
class Usage:
    """Seconds and rows of the processes of a pool."""

    busy: float = 0.0
    """Seconds during which a process had work, summed over all processes."""
    present: float = 0.0
    """Seconds since each process started, summed."""
    rows: int = 0
    _began: float = field(default_factory=time.monotonic)
    _last: float = field(default_factory=time.monotonic)
    _samples: deque[tuple[float, float, float, int]] = field(default_factory=deque)

    def tick(self, busy: int, present: int) -> None:
        """Add the time since the last call, during which this number of processes had work and were present."""
        now = time.monotonic()
        self.busy += busy * (now - self._last)
        self.present += present * (now - self._last)
        self._last = now

    def recent(self) -> tuple[float, float]:
        """The busy share and the rows per second since about RECENT_SECONDS ago. Called about once per second."""
        self._samples.append((self._last, self.busy, self.present, self.rows))
        while len(self._samples) > 2 and self._samples[1][0] <= self._last - RECENT_SECONDS:
            self._samples.popleft()
        at, busy, present, rows = self._samples[0]
        there, seconds = self.present - present, self._last - at
        return (self.busy - busy) / there if there else 0.0, (self.rows - rows) / seconds if seconds else 0.0

    def whole(self) -> tuple[float, float]:
        """The same since the start."""
        seconds = self._last - self._began
        return self.busy / self.present if self.present else 0.0, self.rows / seconds if seconds else 0.0

    @property
    def seconds_per_row(self) -> float:
        """Time of a process for each of its rows."""
        return self.busy / self.rows if self.rows else 0.0


def bottleneck(pools: Sequence[PoolReport]) -> str | None:
    """The name of the pool that limits the speed: the busiest one; None while none is busy."""
    busiest = max(pools, key=lambda pool: pool.busy, default=None)
    return busiest.name if busiest is not None and busiest.busy >= IDLE else None
