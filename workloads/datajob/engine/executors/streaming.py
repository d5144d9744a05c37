"""Runs the shards of a stage with models: shards on CPU workers, models on accelerators, rows streaming between them.

A loop in the driver hands out work and never touches rows: these go from the worker to the model process and back through
Ray's object store. A worker opens new shards as long as the models need rows; so the number of rows in flight is limited.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.events import Note, Streamed
from datajob.engine.executors.base import MAX_OPEN
from datajob.engine.executors.model_actors import ModelActors, Piece
from datajob.engine.executors.placement import Placement
from datajob.engine.executors.processes import MAX_DEATHS, Member, Processes, died_message
from datajob.engine.executors.shard_workers import Asked, ShardWorkers
from datajob.engine.executors.shares import Shares
from datajob.engine.executors.usage import bottleneck
from datajob.engine.worker import model_calls
from datajob.engine.worker.task import ShardFailure, Task, shard_name
from datajob.errors import WorkerDied

AT_ONCE = 3
"""Maximum number of shards that a worker that loads models processes at the same time."""
NEXT_TOO = 2
"""The same for a worker without models: the next shard arrives while the first one is being processed."""
EARLY = 8
"""Maximum number of workers that start before the shards are known."""
STORE_SHARE = 0.4
"""Share of the object store that pieces may use before no new shards are opened."""
WAIT_SECONDS = 5.0

REPORT_SECONDS = 1.0

Outcome = Record | ShardFailure | Note | Streamed


@dataclass(eq=False)
class Open:
    """A shard in progress on a worker."""

    shard: Shard
    worker: Member
    pieces: list[Piece] = field(default_factory=list)
    """What it waits for, if it waits for a model."""
    replies: dict[int, Any] = field(default_factory=dict)
    """References of the replies, by position of the piece."""
    gone: bool = False
    """True if its worker died."""


class Streaming:
    """The processes of a stage with models, and the loop that gives them work."""

    def __init__(self, placement: Placement, python_path: tuple[str, ...], promised: bool = False) -> None:
        """Start the minimum number of processes. Raises InvalidJob if no machine is large enough for one."""
        import ray

        assert placement.workers is not None
        self._shares = Shares(placement, promised, python_path)
        self._pools = self._shares.pools
        self._pool_of = {step: pool for pool in self._pools for step in pool.steps}
        self.workers = ShardWorkers(placement.workers, promised, python_path, frozenset(self._pool_of))
        self._at_once = AT_ONCE if placement.workers.models else NEXT_TOO
        self._store = STORE_SHARE * float(ray.cluster_resources().get("object_store_memory", math.inf))  # type: ignore[no-untyped-call]
        self._todo: deque[Shard] = deque()
        self._open: set[Open] = set()
        self._deaths = Counter[int]()
        """By shard."""
        self._avoid: dict[int, set[str]] = {}
        """The machines on which the workers of a shard died."""
        self._reported = time.monotonic()
        self._resize(min(EARLY, self.workers.pool.size[0]) * self._at_once)

    def run(self, task: Task, shards: Sequence[Shard]) -> Generator[Outcome, None, None]:
        """Run each shard once. Yields notes while processes cannot start."""
        import ray

        shared = ray.put(task)
        self._todo = deque(shards)
        while self._todo or self._open:
            if self._todo:
                self._shares.balance()
            self._resize(len(self._todo) + len(self._open))
            for pool in self._pools:
                pool.hand_out()
            self._open_shards(shared)
            yield from self._wait(task)
        yield self._report(whole=True)

    def _wait(self, task: Task) -> Generator[Outcome, None, None]:
        """Wait until something is done, and handle everything that is."""
        import ray

        waiting = [ref for pool in self._all for ref in pool.waiting_for()]
        done, rest = ray.wait(waiting, num_returns=1, timeout=WAIT_SECONDS, fetch_local=False)
        if rest:
            done += ray.wait(rest, num_returns=len(rest), timeout=0, fetch_local=False)[0]
        for pool in self._all:
            pool.tick()
        for ref in done:
            yield from self._collect(ref, task)
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
        each = self._at_once if self.workers.pool.models else 1
        self.workers.resize(max(1, min(shards, max(low, min(high, math.ceil(shards / each))))))
        self._shares.resize(shards)

    # --- shards ---

    def _open_shards(self, task: Any) -> None:
        """Open waiting shards on the workers with the fewest shards, while the models need rows."""
        while self._todo and (not self._open or self._needs_rows()):
            shard = self._todo[0]
            ready = [m for m in self.workers.usable if self._accepts(m, shard)]
            avoid = self._avoid.get(shard.index, set())
            ready = [m for m in ready if m.node not in avoid] or ready
            if not ready:
                return
            member = min(ready, key=lambda m: (len(m.running), len(m.held)))
            self._todo.popleft()
            opened = Open(shard, member)
            self._open.add(opened)
            member.held.add(opened)
            member.running[member.actor.run.remote([task], shard)] = opened

    def _needs_rows(self) -> bool:
        held = sum(piece.bytes for opened in self._open for piece in opened.pieces)
        return held <= self._store and not any(pool.full for pool in self._pools)

    def _accepts(self, member: Member, shard: Shard) -> bool:
        """True if a worker can open a shard now. A shard whose worker died runs alone: no other one is blamed for it."""
        if not member.running and (not self._deaths[shard.index] or not member.held):
            return True
        if self._deaths[shard.index] or any(self._deaths[o.shard.index] for o in member.held):
            return False
        limit = shards_at_once(len(self._todo), len(self.workers.usable), self._at_once)
        return len(member.running) < limit and len(member.held) < MAX_OPEN

    # --- what is done ---

    def _collect(self, ref: Any, task: Task) -> Generator[Outcome, None, None]:
        import ray

        pool, member = next(((p, m) for p in self._all if (m := p.find(ref)) is not None), (None, None))
        if pool is None or member is None:  # its process died with something else
            return
        try:
            result = ray.get(ref)
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
            self._died(pool, member, task, error)
            return
        except ray.exceptions.ObjectLostError as error:  # with the machine of the worker, or that of the model
            if isinstance(pool, ModelActors):
                yield from self._model_failed(pool, member, ref, ShardFailure("Exception", str(error), ""), task)
            else:
                self._ask_again(member.running.pop(ref))
            return
        if ref is member.starting:
            pool.started(member, result)
        elif isinstance(pool, ModelActors):
            if result is not None and result.kind == "Exception":
                yield from self._model_failed(pool, member, ref, result, task)
            else:
                self._answered(*pool.finished(member, ref))
        else:
            yield from self._stopped(member, ref, result)

    def _stopped(self, member: Member, ref: Any, result: Any) -> Generator[Outcome, None, None]:
        """A shard ended, or needs a model."""
        opened: Open = member.running.pop(ref)
        opened.pieces, opened.replies = [], {}
        if not isinstance(result, Asked):
            self._open.discard(opened)
            member.held.discard(opened)
            self.workers.completed(member)
            if isinstance(result, Record):
                self.workers.usage.rows += max((step.rows_in for step in result.tally.steps.values()), default=0)
            yield result
            return
        parts = zip(result.pieces, result.rows, result.bytes, strict=True)
        opened.pieces = [Piece(opened, i, result.call, part, rows, size) for i, (part, rows, size) in enumerate(parts)]
        self._pool_of[result.call.step].queue.extend(opened.pieces)

    def _answered(self, piece: Piece, reply: Any) -> None:
        """A piece has its reply. The shard continues once it has all of them."""
        opened = piece.owner
        if opened.gone:
            return
        assert isinstance(opened, Open)
        opened.replies[piece.position] = reply
        if len(opened.replies) == len(opened.pieces):
            replies = [opened.replies[i] for i in range(len(opened.pieces))]
            member = opened.worker
            member.running[member.actor.resume.remote(opened.shard.index, *replies)] = opened

    def _ask_again(self, opened: Open) -> None:
        """The replies to a shard were lost on their way."""
        opened.replies = {}
        for piece in opened.pieces:
            piece.call = model_calls.retried(piece.call)
        self._pool_of[opened.pieces[0].call.step].queue.extendleft(reversed(opened.pieces))

    # --- what went wrong ---

    def _died(self, pool: Processes, member: Member, task: Task, error: Exception) -> None:
        """A process died: what it worked on runs again. Raises WorkerDied if that happened too often."""
        pool.died(member, error)
        if isinstance(pool, ModelActors):
            pool.lost(member)
            self._drop_pieces()
            self._refuse_deadly(pool, task, error)
            return
        lost: set[Open] = member.held
        for opened in lost:
            opened.gone = True
        self._open -= lost
        for opened in member.running.values():  # the others were waiting for a model
            index = opened.shard.index
            self._deaths[index] += 1
            self._avoid.setdefault(index, set()).add(member.node)
            if self._deaths[index] >= MAX_DEATHS:
                where = f"while it processed {shard_name(task, opened.shard)}"
                raise WorkerDied(died_message(pool.what, where, error)) from error
        self._todo.extendleft(sorted((o.shard for o in lost), key=lambda s: -s.index))
        self._drop_pieces()

    def _refuse_deadly(self, pool: ModelActors, task: Task, error: Exception) -> None:
        for piece in pool.queue:
            if piece.deaths >= MAX_DEATHS:
                where = f"while it processed {shard_name(task, piece.owner.shard)}"
                raise WorkerDied(died_message(pool.what, where, error)) from error

    def _model_failed(
        self, pool: ModelActors, member: Member, ref: Any, failure: ShardFailure, task: Task
    ) -> Generator[Outcome, None, None]:
        """A model raised for another reason than a row: its process is replaced, and another one gets the piece."""
        piece: Piece = member.running[ref]
        for other in pool.lost(member):
            other.deaths -= other is not piece
        pool.died(member, RuntimeError(failure.message))
        _kill(member)
        self._drop_pieces()
        if piece.deaths >= MAX_DEATHS and not piece.owner.gone:
            yield failure

    def _drop_pieces(self) -> None:
        for pool in self._pools:
            pool.forget(lambda owner: owner.gone)


def shards_at_once(waiting: int, workers: int, maximum: int = AT_ONCE) -> int:
    """Number of shards that a worker may process at a time.

    It decreases with the number of waiting shards, so that at the end no worker has several shards while another one has
    none (guided self-scheduling, Polychronopoulos and Kuck 1987).
    """
    return min(maximum, math.ceil(waiting / max(1, workers)))


def _kill(member: Member) -> None:
    import ray

    ray.kill(member.actor)
