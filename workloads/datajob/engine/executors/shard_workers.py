"""Worker processes that run shards. While a shard waits for a model, its worker runs others."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.executors.placement import Pool
from datajob.engine.executors.processes import Actor, Member, Processes
from datajob.engine.worker import model_calls, model_registry
from datajob.engine.worker.model_calls import Call, Reply
from datajob.engine.worker.task import ShardFailure, Task, run_shard, use_python_path

if TYPE_CHECKING:
    import pyarrow as pa

CALLS_AT_ONCE = 64
"""Calls of the driver that a worker accepts at the same time; shards that wait for a model need none."""


@dataclass(frozen=True)
class Asked:
    """A shard needs a model of another process."""

    call: Call
    pieces: tuple[Any, ...]
    """References to the rows in the object store."""
    rows: tuple[int, ...]
    bytes: tuple[int, ...]


class ModelError(Exception):
    """A model process could not answer."""


Step = Asked | Record | ShardFailure
"""Where a shard stops: at a model of another process, or at its end."""


class Session:
    """A shard in progress, in a separate thread that stops at each call of a model of another process."""

    def __init__(self, task: Task, shard: Shard, steps: frozenset[str], doubtful: bool) -> None:
        self.steps = steps
        self._pieces: Sequence[pa.Buffer] = ()
        """What the shard waits for."""
        self._stops: SimpleQueue[Step | BaseException] = SimpleQueue()
        self._replies: SimpleQueue[list[Reply | ShardFailure]] = SimpleQueue()
        threading.Thread(target=self._run, args=(task, shard, doubtful), name=f"shard {shard.index}", daemon=True).start()

    def _run(self, task: Task, shard: Shard, doubtful: bool) -> None:
        model_calls.use(self)
        try:
            self._stops.put(run_shard(task, shard, doubtful))
        except BaseException as error:  # noqa: BLE001 - raised by `next`
            self._stops.put(error)

    def next(self) -> Step:
        """Wait until the shard stops."""
        stop = self._stops.get()
        if isinstance(stop, BaseException):
            raise stop
        return stop

    def resume(self, replies: list[Reply | ShardFailure]) -> Step:
        """Give the replies to the shard, and wait until it stops again."""
        self._replies.put(replies)
        return self.next()

    def ask(self, call: Call, pieces: Sequence[pa.Buffer], rows: Sequence[int]) -> list[Reply]:
        """Stop the shard until the replies are there. Called by the shard, in its thread."""
        self._pieces = pieces
        references = self.send(range(len(pieces)))
        self._stops.put(Asked(call, references, tuple(rows), tuple(piece.size for piece in pieces)))
        replies = self._replies.get()
        self._pieces = ()
        for reply in replies:
            if isinstance(reply, ShardFailure):
                raise reply.as_error()
        return [reply for reply in replies if isinstance(reply, Reply)]

    def send(self, positions: Iterable[int]) -> tuple[Any, ...]:
        """Put pieces into the object store, at first or after they were lost."""
        import ray

        return tuple(ray.put(self._pieces[position]) for position in positions)


class _ShardWorker(Actor):
    """Loads the models that run on CPUs at once, and runs shards."""

    def __init__(self, device_and_models: bytes, python_path: tuple[str, ...], steps: frozenset[str]) -> None:
        use_python_path(python_path)
        device, operators = pickle.loads(device_and_models)  # noqa: S301 - written by our own driver
        model_registry.use_device(device)
        model_registry.load_early(operators)
        self._steps = steps
        self._tasks: dict[Any, Task] = {}
        self._sessions: dict[int, Session] = {}

    def run(self, task: list[Any], shard: Shard, doubtful: bool, piece_rows: dict[str, int]) -> Step:
        """Run a shard until it stops. The task is fetched once. `doubtful`: see `Task.commit`."""
        import ray

        model_calls.use_piece_rows(piece_rows)
        (reference,) = task
        if reference not in self._tasks:
            self._tasks[reference] = ray.get(reference)
        session = self._sessions[shard.index] = Session(self._tasks[reference], shard, self._steps, doubtful)
        return self._until_stop(shard.index, session.next)

    def resume(self, index: int, piece_rows: dict[str, int], *replies: Reply | ShardFailure) -> Step:
        """Continue a shard that waits for these replies."""
        model_calls.use_piece_rows(piece_rows)
        session = self._sessions[index]
        return self._until_stop(index, lambda: session.resume(list(replies)))

    def send_again(self, index: int, position: int) -> list[Any]:
        """A new reference to a piece that a shard waits for; the object was lost."""
        return list(self._sessions[index].send([position]))

    def _until_stop(self, index: int, wait: Any) -> Step:
        stop: Step | None = None
        try:
            stop = wait()
            return stop
        finally:
            if not isinstance(stop, Asked):
                del self._sessions[index]


class ShardWorkers(Processes):
    """The processes that run the shards of a stage."""

    what = "worker process"

    def __init__(self, pool: Pool, promised: bool, python_path: tuple[str, ...], steps: frozenset[str]) -> None:
        super().__init__(pool, promised)
        if pool.models:
            self.what = "model process"
        self._python_path = python_path
        self._steps = steps

    def waits_for(self) -> str | None:
        """Outputs of models, if there are open shards."""
        return "model outputs" if any(m.held for m in self.members) else None

    def create(self) -> Member:
        """Start a worker."""
        import ray

        kind: Any = ray.remote(_ShardWorker)
        state = pickle.dumps((self.pool.device, [step.operator for step in self.pool.models]))
        actor = kind.options(**self.options(), max_concurrency=CALLS_AT_ONCE + 1).remote(state, self._python_path, self._steps)
        return Member(actor, actor.ready.remote(), actor.stay.remote())
