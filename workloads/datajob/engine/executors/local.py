"""The local executor: shards in this process, one after the other.

While a shard waits for a model, others are read, so that the batches of the model are full.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.events import Working
from datajob.engine.executors.base import ENDPOINT_ROWS_AHEAD, MAX_OPEN, ROWS_AHEAD, Outcomes
from datajob.engine.executors.helpers import Helpers
from datajob.engine.executors.placement import Placement
from datajob.engine.worker import model_registry
from datajob.engine.worker.sharing import Slow
from datajob.engine.worker.task import ShardFailure, Task, run_shard, shard_name, try_shard

BYTES_AHEAD = 512 << 20
"""Bytes that wait for models before no new shards are opened."""


class LocalExecutor:
    """Runs shards in this process. Nothing has to be started, which suits small inputs.

    If it `may_start_processes` and the first seconds show that this pays, other processes take over.
    """

    def __init__(self, may_start_processes: bool = False) -> None:
        self._may_start_processes = may_start_processes

    def run(self, task: Task, shards: Sequence[Shard], placement: Placement) -> Outcomes:
        """Run the shards in order; with models, several at a time."""
        if placement.workers is not None:
            yield from _OpenShards(task, shards, ENDPOINT_ROWS_AHEAD if placement.pools else ROWS_AHEAD).run()
            return
        helpers = Helpers(task) if self._may_start_processes else None
        try:
            for number, shard in enumerate(shards):
                yield Working(shard_name(task, shard))
                rest = shards[number + 1 :]
                outcome = try_shard(task, shard, helpers.patience(shard, rest) if helpers else None)
                if isinstance(outcome, Slow):
                    assert helpers is not None
                    yield from helpers.take_over(outcome, rest)
                    return
                yield outcome
        finally:
            if helpers is not None:
                helpers.close()

    promised = False

    def available(self) -> dict[str, float]:
        """One CPU."""
        return {"CPU": 1.0}

    def close(self) -> None:
        """Nothing was started."""


class _OpenShards:
    """Shards in progress, each in a separate thread. One of them works at a time, and the others wait for a model."""

    def __init__(self, task: Task, shards: Sequence[Shard], rows_ahead: int) -> None:
        self._task = task
        self._rows_ahead = rows_ahead
        self._todo = deque(shards)
        self._threads: dict[int, threading.Thread] = {}
        self._done: deque[tuple[int, Record | ShardFailure | BaseException]] = deque()
        self._queue = model_registry.Queue()

    def run(self) -> Outcomes:
        """Yield the outcomes in the order in which they complete. When closed, wait until the open shards have stopped."""
        try:
            while self._todo or self._threads:
                if self._needs_rows():
                    shard = self._todo.popleft()
                    yield Working(shard_name(self._task, shard))
                    self._open(shard)
                with self._queue.changed:
                    self._queue.changed.wait_for(lambda: self._done or self._needs_rows())
                    ended = [self._done.popleft() for _ in range(len(self._done))]
                for index, outcome in ended:
                    self._threads.pop(index).join()
                    if isinstance(outcome, BaseException):
                        raise outcome
                    yield outcome
        finally:
            self._queue.stop()
            for thread in self._threads.values():
                thread.join()

    def _needs_rows(self) -> bool:
        """True if all open shards wait for a model that could process more rows."""
        waiting = self._queue.waiting()
        if not self._todo or len(self._threads) > len(waiting) + len(self._done) or len(self._threads) >= MAX_OPEN:
            return False
        return sum(rows for rows, _ in waiting) < self._rows_ahead and sum(size for _, size in waiting) < BYTES_AHEAD

    def _open(self, shard: Shard) -> None:
        thread = threading.Thread(target=self._run, args=(shard,), name=f"shard {shard.index}", daemon=True)
        self._threads[shard.index] = thread
        thread.start()

    def _run(self, shard: Shard) -> None:
        outcome: Record | ShardFailure | BaseException
        self._queue.join()
        try:
            outcome = run_shard(self._task, shard)
        except BaseException as error:  # noqa: BLE001 - raised by `run`
            outcome = error
        with self._queue.changed:
            self._done.append((shard.index, outcome))
            self._queue.changed.notify_all()
