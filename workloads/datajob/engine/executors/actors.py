"""Actors that keep their models: as many as there is work for, each with a few units at a time.

Ray Data starts its actors when a dataset runs, seconds after Ray itself is up; these start at once and load their
models while the input is still being listed. While one unit of an actor waits for answers, its next one is read.
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
from datajob.engine.worker.tasks import ShardFailure, Task, attempt, use_python_path
from datajob.errors import DataJobError

IN_FLIGHT = 3
"""Units that an actor works on at a time."""
MOST_DEATHS = 3
"""Processes that a unit may take with it before it is given up."""
PATIENCE_SECONDS = 5.0


@dataclass(eq=False)
class _Member:
    """An actor and what it is doing."""

    actor: Any
    starting: Any
    """A reference that is there once the process runs; None from then on."""
    running: dict[Any, Shard] = field(default_factory=dict)


class ActorPool:
    """Runs units on actors; grows while units wait, shrinks when none do. A unit whose actor died is run again."""

    def __init__(self, placement: Placement, python_path: tuple[str, ...], promised: bool = False) -> None:
        """Raises InvalidJob when no machine is large enough for an actor, and none is `promised` that is."""
        assert placement.actors is not None
        refuse_impossible(placement, promised)
        self._placement = placement
        self._python_path = python_path
        self._least, self._most = placement.actors
        self._members: list[_Member] = []
        self._deaths: Counter[int | None] = Counter()
        """By unit; None: while starting."""
        self._began = self._heard = time.monotonic()
        """When it began, and when an actor ran last or it was said that none does."""
        self._resize(self._least * IN_FLIGHT)

    def run(self, task: Task, shards: Sequence[Shard]) -> Generator[Record | ShardFailure | Note, None, None]:
        """Each unit once, as they finish. Notes say that there is no room for any actor."""
        import ray

        shared = ray.put(task)
        todo = deque(shards)
        while todo or self._busy():
            self._resize(len(todo) + self._busy())
            self._hand_out(shared, todo)
            waiting = [ref for m in self._members for ref in (*m.running, *([] if m.starting is None else [m.starting]))]
            done, _ = ray.wait(waiting, num_returns=1, timeout=PATIENCE_SECONDS)
            for ref in done:
                yield from self._collect(ref, todo)
            if any(m.starting is None for m in self._members):
                self._heard = time.monotonic()
            elif time.monotonic() - self._heard >= NOTICE_SECONDS:
                self._heard = time.monotonic()
                yield Note(notice(self._placement, self._heard - self._began))

    def close(self) -> None:
        """End all actors."""
        for member in self._members:
            _end(member)
        self._members.clear()

    def _busy(self) -> int:
        return sum(len(m.running) for m in self._members)

    def _resize(self, shards: int) -> None:
        """As many actors as these units keep busy, within the limits; those with nothing to do go first."""
        wanted = max(1, min(shards, max(self._least, min(self._most, math.ceil(shards / IN_FLIGHT)))))
        while len(self._members) < wanted:
            self._members.append(self._start())
        idle = [m for m in self._members if not m.running]
        for member in idle[: len(self._members) - wanted]:
            self._members.remove(member)
            _end(member)

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
        """Give waiting units to the actors that have the fewest; none to those that are still starting."""
        while todo:
            most = shards_at_once(len(todo), len(self._members))
            free = [m for m in self._members if m.starting is None and len(m.running) < most]
            if not free:
                return
            member = min(free, key=lambda m: len(m.running))
            shard = todo.popleft()
            member.running[member.actor.run.remote([task], shard)] = shard

    def _collect(self, ref: Any, todo: deque[Shard]) -> Generator[Record | ShardFailure, None, None]:
        import ray

        member = next((m for m in self._members if ref in m.running or ref is m.starting), None)
        if member is None:  # its actor died with another one of its units
            return
        try:
            outcome = ray.get(ref)
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
            self._members.remove(member)
            self._record_death(member, error)
            todo.extendleft(reversed(member.running.values()))
            return
        if ref is member.starting:
            member.starting = None
            return
        del member.running[ref]
        yield outcome

    def _record_death(self, member: _Member, error: Exception) -> None:
        """Count a death. Raises DataJobError when the same units, or starting itself, killed too many."""
        lost = [u.index for u in member.running.values()] if member.starting is None else [None]
        for index in lost:
            self._deaths[index] += 1
            if self._deaths[index] >= MOST_DEATHS:
                where = "at its start" if index is None else f"at shard {index}"
                said = " ".join(str(error).split())[:600]
                raise DataJobError(
                    f"A process that runs a model died {MOST_DEATHS} times {where}: {said}. Most often its memory was too "
                    "small for the model: raise `memory` of its workers, or use fewer `actors` on each."
                ) from error


def shards_at_once(waiting: int, actors: int) -> int:
    """How many units an actor may have at a time: fewer when few wait, so that at the end no actor has several while another
    has none (guided self-scheduling, Polychronopoulos and Kuck 1987)."""
    return min(IN_FLIGHT, math.ceil(waiting / actors))


def _end(member: _Member) -> None:
    import ray

    ray.kill(member.actor)


class _ModelActor:
    """Loads the models of a segment at once, and runs units with them."""

    def __init__(self, models_and_device: bytes, python_path: tuple[str, ...]) -> None:
        use_python_path(python_path)
        device, operators = pickle.loads(models_and_device)  # noqa: S301 - written by our own driver
        model_registry.use_device(device)
        model_registry.load_early(operators)
        self._tasks: dict[Any, Task] = {}

    def ready(self) -> None:
        """Return once the process runs."""

    def run(self, task: list[Any], shard: Shard) -> Record | ShardFailure:
        """Do a unit of a task, which is fetched once."""
        import ray

        (reference,) = task
        if reference not in self._tasks:
            self._tasks[reference] = ray.get(reference)
        return attempt(self._tasks[reference], shard)
