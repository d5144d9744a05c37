"""Who runs the units of a phase: this process, or Ray Data on a cluster. Only this file and the pool know Ray."""

from __future__ import annotations

import logging
import os
import pickle
import threading
from collections.abc import Sequence
from typing import Any

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.executors.actors import ActorPool
from datajob.engine.executors.base import Outcomes
from datajob.engine.executors.placement import Placement
from datajob.engine.worker.tasks import RowsTask, ShardFailure, Task, attempt

OBJECT_STORE_BYTES = 256 << 20
"""Of a Ray started on this machine: blocks between tasks are small, rows stay in files."""


class RayExecutor:
    """Runs units as tasks of Ray Data, or on actors where they keep models.

    Ray is started by the thread that makes this: a fork from another one, with Arrow's threads alive, kills the child.
    """

    def __init__(self, address: str | None = None, tables: bool = True) -> None:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self._pool: ActorPool | None = None
        warm = threading.Thread(target=_import_ray_data, name="import-ray-data", daemon=True)
        if tables:
            warm.start()
        self._ours = not ray.is_initialized()
        address = address or os.environ.get("RAY_ADDRESS")
        self._promised = bool(address)
        if self._ours:
            own: dict[str, Any] = {} if address else {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
        if tables:
            warm.join()

    @property
    def promised(self) -> bool:
        """True on a cluster made for the job, where what it asks for will be there."""
        return self._promised

    def warm(self, placement: Placement, python_path: tuple[str, ...]) -> None:
        """Start the actors of the first phase before its units are known."""
        if placement.actors is not None and self._pool is None:
            self._pool = ActorPool(placement, python_path, self._promised)

    def run(self, task: Task, shards: Sequence[Shard], placement: Placement) -> Outcomes:
        """Units as they finish; a unit whose worker died is run again by Ray."""
        if not shards:
            return
        if placement.actors is not None:
            yield from self._on_actors(task, shards, placement)
            return
        _import_ray_data()
        import ray.data

        worker: Any = _Worker(task, tuple(shards))
        compute: dict[str, Any] = {"num_cpus": placement.num_cpus}
        rows = ray.data.range(len(shards), override_num_blocks=len(shards)).map_batches(worker, batch_size=1, **compute)
        for row in rows.iter_batches(batch_size=1, prefetch_batches=0):
            outcome: Record | ShardFailure = pickle.loads(row["outcome"][0])  # noqa: S301 - written by our own worker
            yield outcome

    def _on_actors(self, task: Task, shards: Sequence[Shard], placement: Placement) -> Outcomes:
        assert isinstance(task, RowsTask)
        pool = self._pool or ActorPool(placement, task.python_path, self._promised)
        self._pool = None
        try:
            yield from pool.run(task, shards)
        finally:
            pool.close()

    def available(self) -> dict[str, float]:
        """What the cluster has now."""
        import ray

        return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Stop a Ray that was started here."""
        import ray

        if self._pool is not None:
            self._pool.close()
        if self._ours:
            ray.shutdown()


def _import_ray_data() -> None:
    """Ray's processes take seconds to start; the import of Ray Data fits in between."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # Blocks hold records, not rows. Ray expects 128 MB of each task and, short of memory for two, ran one at a time.
    context.op_resource_reservation_enabled = False


class _Worker:
    """Runs the units whose numbers arrive."""

    def __init__(self, task: Task, shards: tuple[Shard, ...]) -> None:
        self._task = task
        self._units = shards

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        outcomes = [pickle.dumps(attempt(self._task, self._units[int(i)])) for i in batch["id"]]
        return {"outcome": outcomes}
