"""Chooses the executor of a run."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from datajob.api.resources import Resources
from datajob.engine.executors.base import Executor
from datajob.engine.executors.local import LocalExecutor
from datajob.engine.executors.placement import place
from datajob.engine.options import RunOptions
from datajob.engine.plan.fused import StepPlan, cost_unknown

if TYPE_CHECKING:
    from datajob.engine.executors.ray_data import RayExecutor

LOCAL_BYTES = 32 << 20
"""Inputs up to this size are processed in one process: starting Ray would take longer than the work."""


class ExecutorChoice:
    """The executor of one run, closed at the end of the `with` block.

    If the job needs Ray for any input, Ray starts before the input is listed, because both take seconds. Otherwise, the
    size of the input decides.
    """

    def __init__(self, options: RunOptions, plan: StepPlan, resources: Resources) -> None:
        self._options = options
        self._plan = plan
        self._executor: Executor | None = None
        if self._needs_ray():
            self._executor = _start_ray(options, plan, resources)

    def for_input(self, size: int) -> Executor:
        """The executor for an input of `size` bytes."""
        if self._executor is None:
            self._executor = self._local() if self._is_small(size) else _ray(self._options)
        return self._executor

    def _local(self) -> LocalExecutor:
        """With `local`, everything runs in this process; in a cluster, it shares its container with other processes."""
        return LocalExecutor(may_start_processes=self._options.executor == "auto" and not self._options.in_cluster)

    def _needs_ray(self) -> bool:
        """True if the job runs on Ray regardless of the size of its input."""
        if self._options.executor == "auto":
            other_cluster = self._options.ray_address is not None and not self._options.in_cluster
            return other_cluster or self._plan.loads_models
        return self._options.executor == "ray"

    def _is_small(self, size: int) -> bool:
        if self._options.executor == "local":
            return True
        return size <= LOCAL_BYTES and not (self._options.in_cluster and cost_unknown(self._plan.steps))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._executor is not None:
            self._executor.close()


def _start_ray(options: RunOptions, plan: StepPlan, resources: Resources) -> RayExecutor:
    """Start Ray. If the first stage runs models, they load while the input is listed."""
    first = plan.cuts[0]
    executor = _ray(options, preload=not first.inference)
    try:
        if first.inference:
            placement = place(first, resources, executor.available(), executor.promised)
            executor.start_early(placement, options.python_path)
    except BaseException:
        executor.close()
        raise
    return executor


def _ray(options: RunOptions, preload: bool = True) -> RayExecutor:
    from datajob.engine.executors.ray_data import RayExecutor

    return RayExecutor(options.ray_address, preload=preload)
