"""The Ray executor: shards run as tasks of Ray Data or, if they use models, on the processes of `streaming`.

Only the modules of this package import Ray.
"""

from __future__ import annotations

import logging
import os
import pickle
import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.executors.advance import SECONDS, Advance
from datajob.engine.executors.base import Outcomes
from datajob.engine.executors.placement import Placement
from datajob.engine.executors.ray_worker import Outcome, Worker
from datajob.engine.executors.streaming import Streaming
from datajob.engine.worker.rows_task import RowsTask
from datajob.engine.worker.sharing import Limit, Patience, Shared, Slow, Work, shares
from datajob.engine.worker.task import ShardFailure, Task
from datajob.formats._pandas_import import recognize_pandas

OBJECT_STORE_BYTES = 256 << 20
"""Object store of a Ray that is started on this machine. Small, since rows stay in files and only records are exchanged."""

STARTS = 3
"""Maximum number of attempts to start Ray."""

PATIENCE = Limit(seconds=5, remaining=15)
"""When a worker gives up a shard if most of the others have nothing to do."""


class RayExecutor:
    """Runs shards on Ray: on an existing cluster, or on a Ray that is started on this machine.

    Ray is started in the calling thread: a fork from another thread, while Arrow's threads are alive, kills the child.
    """

    def __init__(self, address: str | None = None, preload: bool = True) -> None:
        """Connect to `address`, or start Ray. `preload` imports Ray Data meanwhile: tasks need it, actors do not."""
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        recognize_pandas()
        import ray

        self._early: Streaming | None = None
        """Processes that were started before the shards are known. The first stage takes them over, or they stop."""
        importing = threading.Thread(target=_import_ray_data, name="import-ray-data", daemon=True)
        if preload:
            importing.start()
        self._ours = not ray.is_initialized()
        self._promised = bool(address)
        if self._ours:
            own: dict[str, Any] = {} if address else {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
            start_ray(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
        if preload:
            importing.join()

    @property
    def promised(self) -> bool:
        """True on an existing cluster: it provides what the job requests."""
        return self._promised

    def start_early(self, placement: Placement, python_path: tuple[str, ...]) -> None:
        """Start the processes of the first stage before its shards are known; `run` takes them over."""
        if placement.workers is not None:
            self._early = Streaming(placement, python_path, self._promised)

    def run(self, task: Task, shards: Sequence[Shard], placement: Placement) -> Outcomes:
        """Run the shards. If a worker dies, Ray runs its shard again, at most TRIES times."""
        if not shards:
            self._stop_early()  # otherwise, they would occupy the cores that later stages need
            return
        if placement.workers is not None:
            yield from self._stream(task, shards, placement)
            return
        _import_ray_data()
        slots = int(self.available().get("CPU", 1))
        patience = PATIENCE if 2 * len(shards) <= slots else None
        slow: list[Slow] = []
        for outcome in _run_all(task, [Work(shard) for shard in shards], patience):
            if isinstance(outcome, Slow):
                slow.append(outcome)
            elif not isinstance(outcome, Shared):
                yield outcome
        if slow:
            yield from _share(task, slow, slots // len(slow))

    def _stream(self, task: Task, shards: Sequence[Shard], placement: Placement) -> Outcomes:
        assert isinstance(task, RowsTask)
        streaming, self._early = self._early or Streaming(placement, task.python_path, self._promised), None
        try:
            yield from streaming.run(task, shards)
        finally:
            streaming.close()

    def available(self) -> dict[str, float]:
        """The resources of the cluster."""
        import ray

        return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Stop the actors, and Ray if it was started here."""
        import ray

        self._stop_early()
        if self._ours:
            ray.shutdown()

    def _stop_early(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            early.close()


def start_ray(**options: Any) -> None:
    """Start Ray or connect to it. Ray gives its processes 30 seconds to start, which is too little on an overloaded machine."""
    import ray

    for attempt in range(1, STARTS + 1):
        try:
            ray.init(**options)
        except Exception as error:
            if attempt == STARTS or "timed out during startup" not in str(error):
                raise
            ray.shutdown()
            options = {**options, "address": "local"}  # what is left of the failed start must not be taken for a cluster
        else:
            return


def _import_ray_data() -> None:
    """Import and configure Ray Data. The import takes seconds, and so does the start of Ray: they can run in parallel."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # Blocks hold records, not rows. Ray expects 128 MB of each task and, short of memory for two, ran one at a time.
    context.op_resource_reservation_enabled = False


def _share(task: Task, slow: Sequence[Slow], workers: int) -> Outcomes:
    """Run shards that were given up: `workers` process shares of each, then one of them runs the shard."""
    began = {each.shard.index: each.began for each in slow}
    advance = Advance(task)
    for each in slow:
        advance.watch(each)
    parts = [Work(each.shard, share) for each in slow for share in shares(each, workers)]
    for work in (parts, [Work(each.shard) for each in slow]):
        for outcome in _run_tasks(Worker(task, tuple(work), uuid.uuid4().hex, None), len(work)):
            yield from advance.look()
            if isinstance(outcome, Record):
                outcome.began = began[outcome.index]
                advance.complete(outcome.index)
            if isinstance(outcome, Record | ShardFailure):
                yield outcome


def _run_tasks(worker: Worker, count: int) -> Iterator[Outcome | None]:
    """Run all work of a worker in tasks of Ray; yields the outcomes, and None if there is none for a while."""
    import ray

    task: Any = ray.remote(Worker.run).options(max_retries=-1)  # the worker counts the tries
    reference = ray.put(worker)
    running = [task.remote(reference, number) for number in range(count)]
    try:
        while running:
            done, running = ray.wait(running, num_returns=1, timeout=SECONDS)
            yield from [pickle.loads(found) for found in ray.get(done)] or [None]  # noqa: S301 - written by our own worker
    finally:
        for rest in running:
            ray.cancel(rest, force=True)


def _run_all(task: Task, work: Sequence[Work], patience: Patience | None = None) -> Iterator[Outcome]:
    """Run shards and shares on the workers of Ray Data; yields the outcomes in the order in which they complete."""
    import ray.data

    worker: Any = Worker(task, tuple(work), uuid.uuid4().hex, patience)
    rows = ray.data.range(len(work), override_num_blocks=len(work)).map_batches(worker, batch_size=1, num_cpus=1)
    for row in rows.iter_batches(batch_size=1, prefetch_batches=0):
        outcome: Outcome = pickle.loads(row["outcome"][0])  # noqa: S301 - written by our own worker
        yield outcome
