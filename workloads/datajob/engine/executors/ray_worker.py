"""Runs a shard in a task of Ray, and once more on another machine if the cause of its failure can be the machine."""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from typing import Any

from datajob.engine.commit.ledger import Record
from datajob.engine.executors import capacity
from datajob.engine.executors.deaths import Try, note_try, out_of_memory, tries
from datajob.engine.executors.faults import Fault, fault_of
from datajob.engine.executors.placement import Pool
from datajob.engine.worker.probation import run_on_probation, worker_died
from datajob.engine.worker.sharing import Patience, Shared, Slow, Work
from datajob.engine.worker.task import ShardFailure, Task, run_share, try_shard

TRIES = 3
"""Maximum number of workers that try a shard. Then it runs on probation if failed rows are allowed; otherwise, it fails."""

Outcome = Record | ShardFailure | Slow | Shared


class Worker:
    """Runs the shards and shares with the given numbers."""

    def __init__(self, task: Task, work: tuple[Work, ...], run: str, patience: Patience | None) -> None:
        self._task = task
        self._work = work
        self._run = run
        self._patience = patience

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"outcome": [self.run(int(i)) for i in batch["id"]]}

    def run(self, number: int) -> bytes:
        """The outcome of a shard or share, pickled."""
        return pickle.dumps(_Attempt(self._task, self._work[number], f"{self._run}/{number}", self._patience).outcome())


class _Attempt:
    """Runs one shard or share. Tries are counted, because Ray would run a shard whose worker dies again without limit."""

    def __init__(self, task: Task, work: Work, key: str, patience: Patience | None) -> None:
        self._task = task
        self._work = work
        self._key = key
        self._patience = patience

    def outcome(self) -> Outcome:
        """The outcome on this machine or, if the shard failed here, on another one. An error on the second one is final."""
        before = tries(self._key)
        others = _others(before)
        while others and len(_deaths(before)) < TRIES and _here() in {each.node for each in before}:
            if (found := self._there(others)) is not None:
                return found
            before = tries(self._key)
            others = _others(before)
        doubtful = bool(others) and not any(each.raised for each in before)
        outcome = self.here(before, doubtful)
        if not doubtful or not isinstance(outcome, ShardFailure):
            return outcome
        before = note_try(self._key, before, raised=True)
        return self._there(others) or self.here(before)

    def here(self, before: Sequence[Try], doubtful: bool = False) -> Outcome:
        """The outcome on this machine, after the tries `before`. `doubtful`: see `Task.commit`."""
        from ray import cloudpickle

        shard, deaths = self._work.shard, _deaths(before)
        note_try(self._key, before)
        if self._work.share is not None:  # one that ends its workers is left to the shard as a whole
            return run_share(self._task, shard, self._work.share) if len(deaths) < TRIES else Shared(shard)
        if len(deaths) < TRIES:
            return try_shard(self._task, shard, self._patience, doubtful)
        if len(deaths) == TRIES and self._task.finds_bad_rows:
            return run_on_probation(self._task, shard, cloudpickle)
        memory = out_of_memory(deaths)
        cause = f"{len(deaths)} worker processes died; {memory or 'see the logs of Ray'}"
        return worker_died(self._task, shard, cause, memory=memory is not None)

    def again(self) -> bytes:
        """The final outcome on this machine, pickled."""
        return pickle.dumps(self.here(tries(self._key)))

    def _there(self, machines: Sequence[str]) -> Outcome | None:
        """The outcome on one of these machines; None if its process or the machine died."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        strategy = NodeAffinitySchedulingStrategy(random.choice(machines), soft=True)
        again: Any = ray.remote(_Attempt.again).options(scheduling_strategy=strategy, max_retries=0)
        try:
            outcome: Outcome = pickle.loads(ray.get(again.remote(self)))  # noqa: S301 - written by our own worker
        except ray.exceptions.RayError as error:
            if fault_of(error) is Fault.RAISED:
                raise
            return None
        return outcome


def _here() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _others(before: Sequence[Try]) -> list[str]:
    """The machines other than this one on which no worker has tried the shard."""
    return sorted(capacity.machines(Pool()) - {_here(), *(each.node for each in before)})


def _deaths(before: Sequence[Try]) -> list[Try]:
    """The tries whose processes died."""
    return [each for each in before if not each.raised]
