"""How many requests an endpoint gets at the same time: as many as increase its throughput. Pure."""

from __future__ import annotations

import math

START = 8
MOST = 512
"""Maximum number of requests at the same time."""
MIN_SAMPLE = 20
"""Minimum number of replies in a measurement."""
GROWS = 1.15
"""The window is doubled as long as this increases the throughput at least this much in its first round."""
MISSES = 2
"""Measurements without an increase that end the doubling."""
PROBES = ((1.2, 1.05), (2.0, 1.2))
"""Growth of a probe after that, in turn, and the minimum increase of the throughput that it must achieve. Small changes are
not always visible in the throughput, and large ones would often overload the server."""
TOLERATED = 0.3
"""Share of rejected requests that does not reduce the window: some servers reject a few requests regardless of the load."""
HOLD, MAX_HOLD = 3, 32
"""Measurements between two probes."""


class Window:
    """The number of requests at the same time, found by measuring the throughput of accepted requests."""

    def __init__(self, fixed: int | None = None) -> None:
        self._size = float(fixed or START)
        self._fixed = fixed is not None
        self._doubling = True
        self._misses = 0
        self._best = 0.0
        """Highest throughput while doubling."""
        self._before: tuple[float, float] | None = None
        """Size and throughput before the current probe."""
        self._probes = 0
        self._hold, self._next_hold = HOLD, HOLD
        self._begin(None)

    @property
    def size(self) -> int:
        """The number of requests."""
        return max(1, min(MOST, round(self._size)))

    def _begin(self, now: float | None, settle: int = 0) -> None:
        self._since, self._settle = now, settle
        self._accepted = self._rejected = 0
        self._full = False

    def reply(self, now: float, accepted: bool, full: bool) -> None:
        """Count a reply. `full`: other requests waited for the window."""
        if self._fixed:
            return
        if self._settle > 0:
            self._settle -= 1
            self._since = now
            return
        if self._since is None:
            self._since = now
        self._accepted += accepted
        self._rejected += not accepted
        self._full |= full
        if self._accepted + self._rejected >= max(MIN_SAMPLE, self.size) and now > self._since:
            self._decide(self._accepted / (now - self._since), _at_least(self._rejected, self._accepted + self._rejected))
            self._begin(now, 0 if self._doubling else self.size)

    def _decide(self, throughput: float, rejected: float) -> None:
        if rejected > TOLERATED:
            self._size = max(1.0, self.size * (1 - rejected / 2))
            self._doubling, self._before = False, None
            self._hold = self._next_hold = HOLD
        elif not self._full:  # there are not enough rows to learn anything
            return
        elif self._doubling:
            self._double(throughput)
        elif self._before is not None:
            self._judge(throughput)
        else:
            self._hold -= 1
            if self._hold <= 0:
                self._probe(throughput)

    def _double(self, throughput: float) -> None:
        grew = throughput >= self._best * GROWS
        self._misses = 0 if grew else self._misses + 1
        self._best = max(self._best, throughput)
        if self._misses < MISSES:
            self._size = float(min(MOST, self.size * 2))
            return
        self._doubling = False
        self._size = max(1.0, self._size / 2**MISSES * PROBES[0][0])

    def _probe(self, throughput: float) -> None:
        self._before = (self._size, throughput)
        self._size = float(min(MOST, math.ceil(self._size * PROBES[self._probes % len(PROBES)][0])))

    def _judge(self, throughput: float) -> None:
        assert self._before is not None
        size, before = self._before
        self._before = None
        if throughput >= before * PROBES[self._probes % len(PROBES)][1]:
            self._next_hold = HOLD
            self._probe(throughput)
        else:
            self._probes += 1
            self._size = size
            self._next_hold = min(MAX_HOLD, self._next_hold * 2)
            self._hold = self._next_hold


def _at_least(some: int, of: int) -> float:
    """The share that a small sample makes probable."""
    share = some / of
    return share - 1.5 * math.sqrt(share * (1 - share) / of)
