"""Processes that hold a model on an accelerator, and the pieces of tables that wait for them."""

from __future__ import annotations

import math
import pickle
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from datajob.engine.commit.shard import Shard
from datajob.engine.executors.base import ENDPOINT_ROWS_AHEAD, ROWS_AHEAD
from datajob.engine.executors.placement import Pool
from datajob.engine.executors.processes import Actor, Member, Processes
from datajob.engine.worker import model_calls, model_registry
from datajob.engine.worker.model_calls import Call, Reply
from datajob.engine.worker.task import ShardFailure, use_python_path
from datajob.errors import DataJobError, described

BYTES_AHEAD = 64 << 20
PIECES_AHEAD = 16
FEW_PIECES = 2
"""A process has at least this many pieces: the next one arrives while the first one is being processed."""


class Owner(Protocol):
    """A shard in progress."""

    shard: Shard
    gone: bool


@dataclass(eq=False)
class Piece:
    """Rows of a shard that wait for a model."""

    owner: Owner
    position: int
    """Among the pieces that the shard asked for."""
    call: Call
    reference: Any
    rows: int
    bytes: int
    deaths: int = 0
    """Processes that died or failed with it. It then runs alone, so that no other piece is blamed for it."""
    avoid: set[str] = field(default_factory=set)
    """The machines, and the machines with their accelerators, on which they died."""
    losses: int = 0
    """How often it or its reply was lost with a machine."""


class _ModelActor(Actor):
    """Starts loading its models at once, and applies them to pieces."""

    def __init__(self, device_and_models: bytes, python_path: tuple[str, ...]) -> None:
        use_python_path(python_path)
        device, self._operators = pickle.loads(device_and_models)  # noqa: S301 - written by our own driver
        model_registry.use_device(device)
        model_registry.load_early(list(self._operators.values()))

    def infer(self, call: Call, piece: Any) -> tuple[ShardFailure | None, Reply | ShardFailure]:
        """The error, if any, and the reply: the driver reads only the first, and the shard only the second."""
        try:
            return None, model_calls.answer(self._operators[call.step], call, piece)
        except DataJobError as error:
            failure = ShardFailure(type(error).__name__, error.marked, traceback.format_exc())
        except Exception as error:  # noqa: BLE001 - the driver decides
            failure = ShardFailure("Exception", described(error), traceback.format_exc())
        return failure, failure


class ModelActors(Processes):
    """The processes of one or more models, and the queue in front of them."""

    what = "model process"

    def __init__(self, pool: Pool, promised: bool, python_path: tuple[str, ...]) -> None:
        super().__init__(pool, promised)
        self.steps = frozenset(step.name for step in pool.models)
        self.queue: deque[Piece] = deque()
        self.replies: dict[Any, Any] = {}
        """The reference of each reply, by that of its status."""
        self._python_path = python_path
        self.most_rows = ENDPOINT_ROWS_AHEAD if pool.remote else ROWS_AHEAD
        """Maximum number of rows of a process."""

    def create(self) -> Member:
        """Start a process."""
        import ray

        kind: Any = ray.remote(_ModelActor)
        state = pickle.dumps((self.pool.device, {step.name: step.operator for step in self.pool.models}))
        actor = kind.options(**self.options(), max_concurrency=PIECES_AHEAD + 2).remote(state, self._python_path)
        return Member(actor, actor.ready.remote(), actor.stay.remote())

    @property
    def piece_rows(self) -> int:
        """Maximum number of rows of the pieces that it should get."""
        return model_calls.piece_rows(self.usage.seconds_per_row)

    @property
    def rows_ahead(self) -> int:
        """Rows that wait for a process or are in one."""
        waiting: list[Piece] = [*self.queue, *(p for m in self.members for p in m.running.values())]
        return sum(piece.rows for piece in waiting)

    @property
    def queued(self) -> int:
        """Rows that wait for a process."""
        return sum(piece.rows for piece in self.queue)

    @property
    def pieces_ahead(self) -> int:
        """Pieces that wait for a process or are in one."""
        return len(self.queue) + sum(len(m.running) for m in self.members)

    @property
    def full(self) -> bool:
        """True if its processes have enough work for now."""
        count = max(1, self.active)
        return self.rows_ahead >= count * self.most_rows and self.pieces_ahead >= count * (FEW_PIECES + 1)

    def hand_out(self) -> None:
        """Give waiting pieces to the processes with the fewest rows."""
        while self.queue:
            piece = self.queue[0]
            ready = self.elsewhere([m for m in self.usable if self._accepts(m, piece)], piece.avoid)
            if not ready:
                return
            member = min(ready, key=lambda m: sum(p.rows for p in m.running.values()))
            self.queue.popleft()
            status, reply = member.actor.infer.options(num_returns=2).remote(piece.call, piece.reference)
            member.running[status] = piece
            self.replies[status] = reply

    def _accepts(self, member: Member, piece: Piece) -> bool:
        """True if a process can take a piece now. A piece whose process died gets a process for itself."""
        running: list[Piece] = list(member.running.values())
        if not running:
            return True
        if piece.deaths or any(p.deaths for p in running) or len(running) >= PIECES_AHEAD:
            return False
        limit = math.ceil(self.pieces_ahead / max(1, len(self.usable)))  # the last pieces are spread evenly
        if len(running) >= max(1, limit):
            return False
        if len(running) < FEW_PIECES:
            return True
        return (
            sum(p.rows for p in running) + piece.rows <= self.most_rows
            and sum(p.bytes for p in running) + piece.bytes <= BYTES_AHEAD
        )

    def finished(self, member: Member, status: Any) -> tuple[Piece, Any]:
        """A piece is done: the piece, and the reference of its reply."""
        piece: Piece = member.running.pop(status)
        self.usage.rows += piece.rows
        self.completed(member)
        return piece, self.replies.pop(status)

    def take_back(self, member: Member, status: Any) -> Piece:
        """A piece whose process could not process it, for no fault of either."""
        del self.replies[status]
        piece: Piece = member.running.pop(status)
        piece.call = model_calls.retried(piece.call)
        return piece

    def lost(self, member: Member) -> list[Piece]:
        """The pieces of a process that died. They are first in the queue."""
        pieces: list[Piece] = list(member.running.values())
        for status in member.running:
            del self.replies[status]
        for piece in pieces:
            piece.deaths += 1
            piece.avoid |= {member.node, member.place}
            piece.call = model_calls.retried(piece.call)
        member.running.clear()
        self.queue.extendleft(reversed(pieces))
        return pieces

    def forget(self, gone: Callable[[Owner], bool]) -> None:
        """Drop the waiting pieces of shards that are gone."""
        self.queue = deque(p for p in self.queue if not gone(p.owner))
