"""A pool of actors that keep models loaded: as many as there is work for, each with a few shards at a time.

Ray Data starts its actors when a dataset runs, seconds after Ray has started. These actors start at once and load their
models while the input is listed. While one shard of an actor waits for the model, the actor reads the next one.
"""

from __future__ import annotations

import math
import pickle
import time
from collections import Counter, deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.events import Note
from datajob.engine.executors.capacity import NOTICE_SECONDS, notice, refuse_impossible
from datajob.engine.executors.placement import Placement
from datajob.engine.worker import model_registry
from datajob.engine.worker.task import ShardFailure, Task, run_shard, shard_name, use_python_path
from datajob.errors import WorkerDied

IN_FLIGHT = 3
"""Maximum number of shards that an actor processes at a time."""
MAX_DEATHS = 3
"""The run fails after this many actors died with the same shard."""
WAIT_SECONDS = 5.0


@dataclass(eq=False)
class _Member:
    """An actor and the shards that it processes."""

    actor: Any
    starting: Any
    """A reference that is ready once the process has started; None from then on."""
    running: dict[Any, Shard] = field(default_factory=dict)


class ActorPool:
    """Runs shards on actors. Grows while shards are waiting and shrinks when none are. Shards of a dead actor run again."""

    def __init__(self, placement: Placement, python_path: tuple[str, ...], promised: bool = False) -> None:
        """Raises InvalidJob if no machine is large enough for an actor, unless resources are `promised`."""
        assert placement.actors is not None
        refuse_impossible(placement, promised)
        self._placement = placement
        self._python_path = python_path
        self._min, self._max = placement.actors
        self._members: list[_Member] = []
        self._deaths: Counter[int | None] = Counter()
        """By shard; None: during startup."""
        self._began = self._heard = time.monotonic()
        """Time of the start, and of the last sign of a running actor or the last notice that there is none."""
        self._resize(self._min * IN_FLIGHT)

    def run(self, task: Task, shards: Sequence[Shard]) -> Generator[Record | ShardFailure | Note, None, None]:
        """Run each shard once. Yields notes while no actor can start."""
        import ray

        shared = ray.put(task)
        todo = deque(shards)
        while todo or self._busy():
            self._resize(len(todo) + self._busy())
            self._hand_out(shared, todo)
            waiting = [ref for m in self._members for ref in (*m.running, *([] if m.starting is None else [m.starting]))]
            done, _ = ray.wait(waiting, num_returns=1, timeout=WAIT_SECONDS)
            for ref in done:
                yield from self._collect(ref, task, todo)
            if any(m.starting is None for m in self._members):
                self._heard = time.monotonic()
            elif time.monotonic() - self._heard >= NOTICE_SECONDS:
                self._heard = time.monotonic()
                yield Note(notice(self._placement, self._heard - self._began))

    def close(self) -> None:
        """Stop all actors."""
        for member in self._members:
            _stop(member)
        self._members.clear()

    def _busy(self) -> int:
        return sum(len(m.running) for m in self._members)

    def _resize(self, shards: int) -> None:
        """Start or stop actors, so that as many run as these shards keep busy, within the limits. Idle actors stop first."""
        wanted = max(1, min(shards, max(self._min, min(self._max, math.ceil(shards / IN_FLIGHT)))))
        while len(self._members) < wanted:
            self._members.append(self._start())
        idle = [m for m in self._members if not m.running]
        for member in idle[: len(self._members) - wanted]:
            self._members.remove(member)
            _stop(member)

    def _start(self) -> _Member:
        import ray

        p = self._placement
        options: dict[str, Any] = {"num_cpus": p.num_cpus, "max_concurrency": IN_FLIGHT + 1, "max_restarts": 0}
        if p.num_gpus:
            options["num_gpus"] = p.num_gpus
        if p.resources:
            options["resources"] = dict(p.resources)
        kind: Any = ray.remote(_ModelActor)
        actor = kind.options(**options).remote(pickle.dumps((p.device, p.models)), self._python_path)
        return _Member(actor, actor.ready.remote())

    def _hand_out(self, task: Any, todo: deque[Shard]) -> None:
        """Assign waiting shards to the actors with the fewest shards, without those that are still starting."""
        while todo:
            limit = shards_at_once(len(todo), len(self._members))
            free = [m for m in self._members if m.starting is None and len(m.running) < limit]
            if not free:
                return
            member = min(free, key=lambda m: len(m.running))
            shard = todo.popleft()
            member.running[member.actor.run.remote([task], shard)] = shard

    def _collect(self, ref: Any, task: Task, todo: deque[Shard]) -> Generator[Record | ShardFailure, None, None]:
        import ray

        member = next((m for m in self._members if ref in m.running or ref is m.starting), None)
        if member is None:  # its actor died with another one of its shards
            return
        try:
            outcome = ray.get(ref)
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
            self._members.remove(member)
            self._record_death(member, task, error)
            todo.extendleft(reversed(member.running.values()))
            return
        if ref is member.starting:
            member.starting = None
            return
        del member.running[ref]
        yield outcome

    def _record_death(self, member: _Member, task: Task, error: Exception) -> None:
        """Count a death. Raises WorkerDied if too many actors died with the same shard, or during startup."""
        lost: list[Shard | None] = list(member.running.values()) if member.starting is None else [None]
        for shard in lost:
            index = None if shard is None else shard.index
            self._deaths[index] += 1
            if self._deaths[index] >= MAX_DEATHS:
                where = "during startup" if shard is None else f"while it processed {shard_name(task, shard)}"
                cause = " ".join(str(error).split())[:600]
                raise WorkerDied(
                    f"A model process died {MAX_DEATHS} times {where}: {cause}. The usual cause is insufficient memory: "
                    "increase `memory` of the workers, or use fewer `actors` on each of them."
                ) from error


def shards_at_once(waiting: int, actors: int) -> int:
    """Number of shards that an actor may have at a time.

    It decreases with the number of waiting shards, so that at the end no actor has several shards while another one has
    none (guided self-scheduling, Polychronopoulos and Kuck 1987).
    """
    return min(IN_FLIGHT, math.ceil(waiting / actors))


def _stop(member: _Member) -> None:
    import ray

    ray.kill(member.actor)


class _ModelActor:
    """Starts loading the models of a stage at once, and runs shards with them."""

    def __init__(self, models_and_device: bytes, python_path: tuple[str, ...]) -> None:
        use_python_path(python_path)
        device, operators = pickle.loads(models_and_device)  # noqa: S301 - written by our own driver
        model_registry.use_device(device)
        model_registry.load_early(operators)
        self._tasks: dict[Any, Task] = {}

    def ready(self) -> None:
        """Return once the process has started."""

    def run(self, task: list[Any], shard: Shard) -> Record | ShardFailure:
        """Run a shard. The task is fetched once."""
        import ray

        (reference,) = task
        if reference not in self._tasks:
            self._tasks[reference] = ray.get(reference)
        return run_shard(self._tasks[reference], shard)
