"""Runs the shards of a stage with models: shards on CPU workers, models on accelerators, rows streaming between them.

A loop in the driver hands out work and never touches rows: these go from the worker to the model process and back through
Ray's object store. A worker opens new shards as long as the models need rows; so the number of rows in flight is limited.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from typing import Any

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.events import Note, Streamed
from datajob.engine.executors.faults import MAX_DEATHS, Fault, died_message, fault_of
from datajob.engine.executors.model_actors import ModelActors, Piece
from datajob.engine.executors.open_shards import OpenShards
from datajob.engine.executors.placement import Placement
from datajob.engine.executors.processes import Member, Processes
from datajob.engine.executors.shard_workers import ShardWorkers
from datajob.engine.executors.shares import Shares
from datajob.engine.executors.usage import bottleneck
from datajob.engine.worker.task import ShardFailure, Task
from datajob.errors import WorkerDied

EARLY = 8
"""Maximum number of workers that start before the shards are known."""
WAIT_SECONDS = 5.0
REPORT_SECONDS = 1.0

Outcome = Record | ShardFailure | Note | Streamed


class Streaming:
    """The processes of a stage with models, and the loop that gives them work."""

    def __init__(self, placement: Placement, python_path: tuple[str, ...], promised: bool = False) -> None:
        """Start the minimum number of processes. Raises InvalidJob if no machine is large enough for one."""
        assert placement.workers is not None
        self._shares = Shares(placement, promised, python_path)
        self._pools = self._shares.pools
        pool_of = {step: pool for pool in self._pools for step in pool.steps}
        self.workers = ShardWorkers(placement.workers, promised, python_path, frozenset(pool_of))
        self._shards = OpenShards(self.workers, pool_of)
        self._reported = time.monotonic()
        self._resize(min(EARLY, self.workers.pool.size[0]) * self._shards.at_once)

    def run(self, task: Task, shards: Sequence[Shard]) -> Generator[Outcome, None, None]:
        """Run each shard once. Yields notes while processes cannot start."""
        self._shards.begin(task, shards)
        while self._shards:
            if self._shards.waiting:
                self._shares.balance()
            self._resize(len(self._shards))
            for pool in self._pools:
                pool.hand_out()
            self._shards.open()
            yield from self._wait()
        yield self._report(whole=True)

    def _wait(self) -> Generator[Outcome, None, None]:
        """Wait until something is done, and handle everything that is."""
        import ray

        waiting = [ref for pool in self._all for ref in pool.waiting_for()]
        done, rest = ray.wait(waiting, num_returns=1, timeout=WAIT_SECONDS, fetch_local=False)
        if rest:
            done += ray.wait(rest, num_returns=len(rest), timeout=0, fetch_local=False)[0]
        for pool in self._all:
            pool.tick()
        present = {member.present for pool in self._all for member in pool.members}
        for ref in sorted(done, key=lambda ref: ref in present):  # a process may have completed work before its death
            yield from self._collect(ref)
        if time.monotonic() - self._reported >= REPORT_SECONDS:
            self._reported = time.monotonic()
            yield self._report()
        for pool in self._all:
            if (text := pool.overdue()) is not None:
                yield Note(text)

    def _report(self, whole: bool = False) -> Streamed:
        pools = tuple(pool.report(whole) for pool in self._all)
        return Streamed(pools, bottleneck(pools))

    def close(self) -> None:
        """Stop all processes."""
        for pool in self._all:
            pool.close()

    @property
    def _all(self) -> list[Processes]:
        return [self.workers, *self._pools]

    def _resize(self, shards: int) -> None:
        """As many workers as these shards keep busy, and the minimum of model processes, which are replaced when they die."""
        low, high = self.workers.pool.size
        each = self._shards.at_once if self.workers.pool.models else 1
        self.workers.resize(max(1, min(shards, max(low, min(high, math.ceil(shards / each))))))
        self._shares.resize(shards)

    def _collect(self, ref: Any) -> Generator[Outcome, None, None]:
        """Handle a call that is done."""
        import ray

        pool, member = next(((p, m) for p in self._all if (m := p.find(ref)) is not None), (None, None))
        if pool is None or member is None:  # its process died with something else
            return
        try:
            result = ray.get(ref)
        except ray.exceptions.RayError as error:
            yield from self._failed(pool, member, ref, error)
            return
        if ref is member.starting:
            pool.started(member, result)
        elif not isinstance(pool, ModelActors):
            outcome = self._shards.returned(member, ref, result)
            if outcome is not None:
                yield outcome
        elif result is not None and result.kind == "Exception":
            yield from self._model_failed(pool, member, ref, result)
        else:
            self._shards.answered(*pool.finished(member, ref))

    def _failed(self, pool: Processes, member: Member, ref: Any, error: Exception) -> Generator[Outcome, None, None]:
        """A call has no result."""
        import ray

        fault = fault_of(error)
        if fault is Fault.DIED or ref is member.present:
            self._died(pool, member, error)
        elif ref is member.starting:
            raise error
        elif isinstance(pool, ModelActors):
            if fault is Fault.LOST:
                self._shards.piece_lost(pool.take_back(member, ref), error)
            else:
                yield from self._model_failed(pool, member, ref, ShardFailure("Exception", str(error), ""))
        elif fault is Fault.RAISED:
            raise error
        elif isinstance(error, ray.exceptions.RayTaskError):
            self._shards.call_lost(member, ref, error)
        else:  # the result was lost with the machine of the worker
            self._shards.worker_lost(member, error, died=False)
            pool.stop(member)
            self._drop_pieces()

    def _died(self, pool: Processes, member: Member, error: Exception) -> None:
        """A process died: what it worked on runs again. Raises WorkerDied if that happened too often."""
        pool.died(member, error)
        if isinstance(pool, ModelActors):
            pool.lost(member)
        else:
            self._shards.worker_lost(member, error, died=True)
        self._drop_pieces()
        if isinstance(pool, ModelActors):
            self._refuse_deadly(pool, error)

    def _refuse_deadly(self, pool: ModelActors, error: Exception) -> None:
        for piece in pool.queue:
            if piece.deaths >= MAX_DEATHS:
                where = f"while it processed {self._shards.name(piece.owner.shard)}"
                raise WorkerDied(died_message(pool.what, where, error)) from error

    def _model_failed(
        self, pool: ModelActors, member: Member, ref: Any, failure: ShardFailure
    ) -> Generator[Outcome, None, None]:
        """A model raised for another reason than a row: its process is replaced, and another one gets the piece."""
        piece: Piece = member.running[ref]
        pool.died(member, RuntimeError(failure.message))
        for other in pool.lost(member):
            other.deaths -= other is not piece
        self._drop_pieces()
        if piece.deaths >= MAX_DEATHS and not piece.owner.gone:
            yield failure

    def _drop_pieces(self) -> None:
        for pool in self._pools:
            pool.forget(lambda owner: owner.gone)
