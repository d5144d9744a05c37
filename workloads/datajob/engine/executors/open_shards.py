"""The shards of a stage with models: those that wait, those in progress on workers, and what they wait for."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.executors.base import MAX_OPEN
from datajob.engine.executors.faults import Blame, refuse_endless
from datajob.engine.executors.model_actors import ModelActors, Piece
from datajob.engine.executors.processes import Member
from datajob.engine.executors.shard_workers import Asked, ShardWorkers
from datajob.engine.worker import model_calls
from datajob.engine.worker.intake import MOST_ROWS
from datajob.engine.worker.task import ShardFailure, Task, shard_name

AT_ONCE = 3
"""Maximum number of shards that a worker that loads models processes at the same time."""
SMALL_AT_ONCE, SMALL_BYTES = 8, 16 << 20
"""The same for shards whose inputs together have at most this size: batches of similar rows need many rows to choose from."""
NEXT_TOO = 2
"""The same for a worker without models: the next shard arrives while the first one is being processed."""
STORE_SHARE = 0.4
"""Share of the object store that pieces may use before no new shards are opened."""


@dataclass(eq=False)
class Open:
    """A shard in progress on a worker."""

    shard: Shard
    worker: Member
    pieces: list[Piece] = field(default_factory=list)
    """What it waits for, if it waits for a model."""
    replies: dict[int, Any] = field(default_factory=dict)
    """References of the replies, by position of the piece."""
    doubtful: bool = False
    """True if another machine has to confirm an error, since the cause can be the machine."""
    gone: bool = False
    """True if its worker died."""
    most_rows: int = 0
    """The largest number of rows for which it needed a model at a time."""


class OpenShards:
    """Opens shards on workers, sends what they need to models, and returns the replies."""

    def __init__(self, workers: ShardWorkers, pool_of: Mapping[str, ModelActors]) -> None:
        """`pool_of` is the processes of the model of each step."""
        import ray

        self._workers = workers
        self._pool_of = pool_of
        self.at_once = AT_ONCE if workers.pool.models else NEXT_TOO
        self._store = STORE_SHARE * float(ray.cluster_resources().get("object_store_memory", math.inf))  # type: ignore[no-untyped-call]
        self.waiting: deque[Shard] = deque()
        self._open: set[Open] = set()
        self._blame = Blame()
        self._complete = self._most_rows = 0
        """Complete shards, and the sum of their `most_rows`."""

    def begin(self, task: Task, shards: Sequence[Shard]) -> None:
        """Set the shards of a stage and what to do with them."""
        import ray

        self._task, self._reference = task, ray.put(task)
        self.waiting = deque(shards)

    def __len__(self) -> int:
        """Number of shards that are not complete."""
        return len(self.waiting) + len(self._open)

    def name(self, shard: Shard) -> str:
        """The shard in messages."""
        return shard_name(self._task, shard)

    def open(self) -> None:
        """Open waiting shards on the workers with the fewest shards, while the models need rows."""
        while self.waiting and (not self._open or self._needs_rows()):
            shard = self.waiting[0]
            ready = [m for m in self._workers.usable if self._accepts(m, shard)]
            ready = self._workers.elsewhere(ready, self._blame.avoided(shard.index))
            if not ready:
                return
            member = min(ready, key=lambda m: (len(m.running), len(m.held)))
            self.waiting.popleft()
            opened = Open(shard, member, doubtful=self._elsewhere(member) and not self._blame.has_failed(shard.index))
            self._open.add(opened)
            member.held.add(opened)
            member.running[member.actor.run.remote([self._reference], shard, opened.doubtful, self._piece_rows())] = opened

    def _needs_rows(self) -> bool:
        held = sum(piece.bytes for opened in self._open for piece in opened.pieces)
        return held <= self._store and not any(pool.full for pool in self._pool_of.values()) and not self._enough

    @property
    def _enough(self) -> bool:
        """True if the open shards occupy workers and models once their tables, which are small at first, have their full size.

        More open shards would only use memory. Models that run in the workers need no rows of other shards.
        """
        if not self._pool_of:
            return False
        rows = self._most_rows / self._complete if self._complete else MOST_ROWS
        others = len(self._open) - self.at_once * len(self._workers.usable)
        return others * rows >= sum(pool.most_rows * max(1, pool.active) for pool in set(self._pool_of.values()))

    def _piece_rows(self) -> dict[str, int]:
        return {step: pool.piece_rows for step, pool in self._pool_of.items()}

    def _accepts(self, member: Member, shard: Shard) -> bool:
        """True if a worker can open a shard now. A shard whose worker died runs alone: no other one is blamed for it."""
        suspect = self._blame.suspect
        if not member.running and (not suspect(shard.index) or not member.held):
            return True
        if self._blame.suspects and any(map(suspect, [shard.index, *(opened.shard.index for opened in member.held)])):
            return False
        most = self._most_open(member, shard)
        if member.running and len(member.held) > most:
            return False  # it is busy, so another shard would only use memory
        limit = shards_at_once(len(self.waiting), len(self._workers.usable), most)
        return len(member.running) < limit and len(member.held) < MAX_OPEN

    def _most_open(self, member: Member, shard: Shard) -> int:
        """The maximum number of shards that a worker processes at the same time, if it also opens this one."""
        size = shard.weight + sum(opened.shard.weight for opened in member.held)
        return SMALL_AT_ONCE if self._workers.pool.models and size <= SMALL_BYTES else self.at_once

    # --- what is done ---

    def returned(self, member: Member, ref: Any, result: Any) -> Record | ShardFailure | None:
        """A call of a worker returned: the outcome of a shard that ended; None for one that needs a model."""
        work: Open | Piece = member.running.pop(ref)
        if isinstance(work, Piece):
            (work.reference,) = result
            self._pool_of[work.call.step].queue.appendleft(work)
            return None
        work.pieces, work.replies = [], {}
        if isinstance(result, Asked):
            parts = zip(result.pieces, result.rows, result.bytes, strict=True)
            work.pieces = [Piece(work, i, result.call, part, rows, size) for i, (part, rows, size) in enumerate(parts)]
            work.most_rows = max(work.most_rows, sum(result.rows))
            self._pool_of[result.call.step].queue.extend(work.pieces)
            return None
        self._close(work)
        if self._runs_elsewhere(work, result):
            self.waiting.appendleft(work.shard)
            return None
        self._complete, self._most_rows = self._complete + 1, self._most_rows + work.most_rows
        self._workers.completed(member)
        if isinstance(result, Record):
            self._workers.usage.rows += max((step.rows_in for step in result.tally.steps.values()), default=0)
        outcome: Record | ShardFailure = result
        return outcome

    def _runs_elsewhere(self, opened: Open, result: Any) -> bool:
        """True for the first error of a shard if there is another machine: this one can lack a file or a library."""
        if not isinstance(result, ShardFailure) or not (opened.doubtful or self._elsewhere(opened.worker)):
            return False
        self._workers.failed()
        return self._blame.failed(opened.shard.index, opened.worker.node)

    def _elsewhere(self, member: Member) -> bool:
        """True if there are workers on other machines, or workers that start."""
        return any(m.active and m.node != member.node for m in self._workers.members)

    def answered(self, piece: Piece, reply: Any) -> None:
        """A piece has its reply. The shard continues once it has all of them."""
        opened = piece.owner
        if opened.gone:
            return
        assert isinstance(opened, Open)
        opened.replies[piece.position] = reply
        if len(opened.replies) == len(opened.pieces):
            replies = [opened.replies[i] for i in range(len(opened.pieces))]
            member = opened.worker
            member.running[member.actor.resume.remote(opened.shard.index, self._piece_rows(), *replies)] = opened

    # --- what was lost ---

    def piece_lost(self, piece: Piece, error: Exception) -> None:
        """The rows of a piece or the reply to it were lost with a machine: the worker sends the rows again, if it is alive."""
        opened = piece.owner
        if opened.gone:
            return
        assert isinstance(opened, Open)
        piece.losses += 1
        refuse_endless(piece.losses, self.name(opened.shard), error)
        member = opened.worker
        member.running[member.actor.send_again.remote(opened.shard.index, piece.position)] = piece

    def call_lost(self, member: Member, ref: Any, error: Exception) -> None:
        """The arguments of a call of a worker were lost with a machine: the replies, or the task itself."""
        import ray

        opened: Open = member.running.pop(ref)
        self._blame.lost(opened.shard.index, self.name(opened.shard), error)
        if opened.pieces:
            opened.replies = {}
            for piece in opened.pieces:
                piece.call = model_calls.retried(piece.call)
            self._pool_of[opened.pieces[0].call.step].queue.extendleft(reversed(opened.pieces))
            return
        self._reference = ray.put(self._task)
        self._close(opened)
        self.waiting.appendleft(opened.shard)

    def worker_lost(self, member: Member, error: Exception, died: bool) -> None:
        """The shards of a worker run again. If it died, what it worked on may be the cause; what waited for models is not."""
        working = {work for work in member.running.values() if isinstance(work, Open)} if died else set()
        lost: set[Open] = set(member.held)
        for opened in lost:
            opened.gone = True
            self._close(opened)
        for opened in lost:
            index, name = opened.shard.index, self.name(opened.shard)
            if opened in working:
                self._blame.died(index, member.node, self._workers.what, name, error)
            else:
                self._blame.lost(index, name, error)
        self.waiting.extendleft(sorted((o.shard for o in lost), key=lambda s: -s.index))

    def _close(self, opened: Open) -> None:
        self._open.discard(opened)
        opened.worker.held.discard(opened)


def shards_at_once(waiting: int, workers: int, maximum: int = AT_ONCE) -> int:
    """Number of shards that a worker may process at a time.

    It decreases with the number of waiting shards, so that at the end no worker has several shards while another one has
    none (guided self-scheduling, Polychronopoulos and Kuck 1987).
    """
    return min(maximum, math.ceil(waiting / max(1, workers)))
