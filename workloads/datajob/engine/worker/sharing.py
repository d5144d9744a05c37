"""Slow shards are shared: several workers process rows of a shard and store the results as checkpoints. One of them then
runs the shard, which only has to write these results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from datajob.engine.commit.shard import Shard

CHUNKS = 16
"""Chunks of each share, so that shares take the same time although some rows are slower than others."""
CHUNK_SECONDS = (0.5, 20.0)
"""Minimum and maximum duration of a chunk: a killed worker repeats at most one."""

Patience = Callable[[float, float], bool]
"""Whether to give up a shard after a number of seconds, if it is estimated to take another number of seconds."""


@dataclass(frozen=True)
class Limit:
    """A `Patience` for workers."""

    seconds: float
    remaining: float

    def __call__(self, seconds: float, remaining: float) -> bool:
        """True after `seconds` if at least `remaining` seconds of work are left."""
        return seconds >= self.seconds and remaining >= self.remaining


@dataclass(frozen=True)
class Slow:
    """A shard that its worker gave up, so that several can share it."""

    shard: Shard
    position: int
    """The results of the rows before it are stored."""
    rows_per_second: float
    remaining: float
    """Estimated seconds that one worker would still take."""
    began: float
    """Unix time at which the shard was started."""


class GaveUp(Exception):
    """Raised inside the worker that gives up a shard."""

    def __init__(self, position: int, rows_per_second: float, remaining: float) -> None:
        super().__init__(position, rows_per_second, remaining)
        self.position, self.rows_per_second, self.remaining = position, rows_per_second, remaining


@dataclass(frozen=True)
class Share:
    """The part of a slow shard that one of several workers processes: every `of`-th chunk of `rows` rows from `start` on."""

    number: int
    of: int
    start: int
    rows: int


@dataclass(frozen=True)
class Work:
    """What a worker gets: a shard, or a share of it."""

    shard: Shard
    share: Share | None = None


@dataclass(frozen=True)
class Shared:
    """A share is processed, and its results are stored."""

    shard: Shard


def shares(slow: Slow, workers: int) -> list[Share]:
    """Divide a slow shard among workers."""
    shortest, longest = CHUNK_SECONDS
    seconds = min(longest, max(shortest, slow.remaining / workers / CHUNKS))
    rows = max(1, int(slow.rows_per_second * seconds))
    return [Share(number, workers, slow.position, rows) for number in range(workers)]
