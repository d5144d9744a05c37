"""Decides whether other processes take over the shards of a stage from the process of the driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from datajob.engine.commit.shard import Shard
from datajob.engine.executors.base import Outcomes
from datajob.engine.executors.local_processes import LocalProcesses
from datajob.engine.executors.machine import processes, used_memory
from datajob.engine.worker.sharing import Patience, Slow
from datajob.engine.worker.task import Task

MEASURED_SECONDS = 0.15
"""Time for which the driver works on a shard before it decides."""
MIN_GAIN = 4.0
"""Seconds that processes must save, before their start is subtracted."""
MIN_LEFT = 1.0
"""Seconds of work that must be left when the processes are ready."""
LAST = 2
"""Number of shards per process that are shared; shards before them run in one process each."""


class Helpers:
    """The processes for one stage, which are started if they pay."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._processes: LocalProcesses | None = None
        self._useless = False
        """True if processes cannot be used."""

    def patience(self, shard: Shard, rest: Sequence[Shard]) -> Patience:
        """Whether to give up `shard`, followed by the shards of `rest`."""
        following = sum(each.weight for each in rest) / shard.weight

        def ends(seconds: float, remaining: float) -> bool:
            left = remaining + (seconds + remaining) * following
            if self._useless or seconds < MEASURED_SECONDS:
                return False
            if self._processes is None:
                self._start(left)
                return False
            if self._processes.error is not None:
                self._useless = True
                return False
            return left >= MIN_LEFT and self._processes.ready()

        return ends

    def _start(self, left: float) -> None:
        """Start processes if that pays. This process continues until they are ready."""
        count = processes(used_memory())
        self._useless = count < 2
        if not self._useless and left * (1 - 1 / count) >= MIN_GAIN:
            try:
                self._processes = LocalProcesses(self._task, count)
            except Exception:  # noqa: BLE001 - an operator that cannot be pickled
                self._useless = True

    def take_over(self, slow: Slow, rest: Sequence[Shard]) -> Outcomes:
        """Run a shard that was given up, and those after it. The last ones are shared, so that no process is idle."""
        assert self._processes is not None
        shared = [slow, *(replace(slow, shard=shard, position=0) for shard in rest)]
        whole = max(0, len(shared) - LAST * self._processes.count)
        yield from self._processes.run(shared[whole:], [each.shard for each in shared[:whole]])

    def close(self) -> None:
        """End the processes."""
        if self._processes is not None:
            self._processes.close()
