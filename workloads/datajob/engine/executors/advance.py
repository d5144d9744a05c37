"""How much of shards that several processes share is complete, according to their checkpoints."""

from __future__ import annotations

import time
from collections.abc import Iterator

from datajob.engine.events import Advanced
from datajob.engine.worker.checkpoints import Checkpoints, covered_rows
from datajob.engine.worker.sharing import Slow
from datajob.engine.worker.task import Task

SECONDS = 2.0
"""Minimum time between two looks at the checkpoints."""


class Advance:
    """Watches the shards that are shared."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._slow: dict[int, Slow] = {}
        self._looked = time.monotonic()

    def watch(self, slow: Slow) -> None:
        """Watch a shard until it is complete."""
        self._slow[slow.shard.index] = slow

    def complete(self, index: int) -> None:
        """A shard is complete."""
        self._slow.pop(index, None)

    def look(self) -> Iterator[Advanced]:
        """How much of each shard is complete, at most every SECONDS."""
        if time.monotonic() - self._looked < SECONDS:
            return
        for index, slow in self._slow.items():
            stored = Checkpoints(self._task.sink, self._task.stage, slow.shard.key).stored()
            rows = slow.position + slow.rows_per_second * slow.remaining
            yield Advanced(index, min(1.0, covered_rows(stored) / max(1.0, rows)))
        self._looked = time.monotonic()
