"""Decides where the shards of a stage and its models run. Pure.

A stage is cut where the resource changes. Models that run on accelerators get separate pools of processes; the shards run
on CPU workers, which send rows to these pools. Models that run on CPUs are loaded by the workers themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from datajob.api.quantities import number
from datajob.api.resources import Accelerator, Resources
from datajob.engine.plan.fused import FusedSteps
from datajob.engine.plan.steps import Step
from datajob.operators.base import Device, Model, ModelResources

RAY_RESOURCE = {"gpu": "GPU", "npu": "NPU"}
MEMORY_SHARE = 0.8
"""Share of the memory of the cluster that copies of a model may use on CPUs."""


@dataclass(frozen=True)
class Pool:
    """Processes of one kind."""

    num_cpus: float = 1.0
    """Cores of each process; what follows is also per process."""
    num_gpus: float = 0.0
    resources: tuple[tuple[str, float], ...] = ()
    size: tuple[int, int] = (1, 1)
    """Minimum and maximum number of processes."""
    models: tuple[Step[Model], ...] = ()
    """The steps whose models each process loads."""
    device: Device = field(default_factory=Device)
    remote: bool = False
    """True if its models are those of servers."""

    @property
    def name(self) -> str:
        """The names of its steps; `cpu` for processes that also run other steps."""
        return "+".join(step.name for step in self.models) if self.accelerators or self.remote else "cpu"

    @property
    def accelerators(self) -> float:
        """Number of accelerators of each process."""
        return self.num_gpus or sum(amount for _, amount in self.resources)


@dataclass(frozen=True)
class Placement:
    """Where a stage runs."""

    workers: Pool | None = None
    """Processes that run shards and load the models that run on CPUs; None: stateless tasks, as no step runs a model."""
    pools: tuple[Pool, ...] = ()
    """Processes with accelerators for the other models, and a process for each endpoint."""
    accelerators: float = 0.0
    """Maximum number of accelerators of all pools together."""


@dataclass(frozen=True)
class _Accelerators:
    """The accelerators of a job."""

    kind: str
    low: int
    high: int


def place(fused: FusedSteps | None, resources: Resources, available: Mapping[str, float], promised: bool = False) -> Placement:
    """The placement of fused steps on a cluster with the `available` Ray resources.

    Inference uses the accelerators that the job requests, and waits for them if they are `promised` (a cluster that is
    created for the job). On a single machine, it uses the accelerators that are available, or otherwise the CPUs.
    """
    models = () if fused is None else tuple(Step(s.name, s.operator) for s in fused.steps if isinstance(s.operator, Model))
    if not models:
        return Placement()
    endpoints = _endpoints(models)
    models = tuple(step for step in models if not step.operator.remote())
    on_accelerators = tuple(step for step in models if step.operator.accelerated())
    found = _accelerators(resources, available, promised) if on_accelerators else None
    low, high = _cores(resources, available, promised)
    if found is None:
        return Placement(_on_cpus(models, available) if models else _beside((), (), low, high, available), endpoints)
    pools = _leave_a_core(_on_accelerators(on_accelerators, found), high)
    local = tuple(step for step in models if not step.operator.accelerated())
    return Placement(_beside(pools, local, low, high, available), (*pools, *endpoints), float(found.high))


def _endpoints(models: Sequence[Step[Model]]) -> tuple[Pool, ...]:
    """A process for each endpoint. It mostly waits, so it needs no core."""
    by_endpoint: dict[str, list[Step[Model]]] = {}
    for step in models:
        if step.operator.remote():
            by_endpoint.setdefault(step.operator.loads(), []).append(step)
    return tuple(Pool(0.0, models=tuple(steps), device=Device("cpu"), remote=True) for steps in by_endpoint.values())


def _accelerators(resources: Resources, available: Mapping[str, float], promised: bool) -> _Accelerators | None:
    asked = resources.accelerator
    if asked is not None and (promised or available.get(RAY_RESOURCE[asked.type], 0) > 0):
        return _Accelerators(asked.type, *_count(asked, promised, available))
    for kind in () if promised else ("gpu", "npu"):
        if (there := int(available.get(RAY_RESOURCE[kind], 0))) > 0:
            return _Accelerators(kind, there, there)
    return None


def _count(asked: Accelerator, promised: bool, available: Mapping[str, float]) -> tuple[int, int]:
    if promised:
        return asked.min * asked.per_worker, asked.max * asked.per_worker
    there = int(available[RAY_RESOURCE[asked.type]])
    return there, there


def _cores(resources: Resources, available: Mapping[str, float], promised: bool) -> tuple[float, float]:
    """Minimum and maximum number of cores of all machines together."""
    if not promised:
        return (available.get("CPU", 1.0),) * 2
    groups = [g for g in (resources.workers, resources.accelerator) if g is not None]
    return sum(g.min * number(g.cpu) for g in groups), sum(g.max * number(g.cpu) for g in groups)


def _combined(needs: Sequence[ModelResources]) -> ModelResources:
    """The resources of a process that keeps several models loaded."""
    memory = [n.memory for n in needs]
    return ModelResources(
        max(n.accelerators for n in needs),
        max(n.cpus for n in needs),
        max((n.min_actors for n in needs if n.min_actors), default=None),
        min((n.max_actors for n in needs if n.max_actors), default=None),
        None if None in memory else sum(m or 0 for m in memory),
    )


def _on_accelerators(models: Sequence[Step[Model]], found: _Accelerators) -> tuple[Pool, ...]:
    """A pool for each model or, if there are not enough accelerators, one pool whose processes load all of them."""
    by_model: dict[str, list[Step[Model]]] = {}
    for step in models:
        by_model.setdefault(step.operator.loads(), []).append(step)
    groups = [tuple(steps) for steps in by_model.values()]
    needs = [_combined([s.operator.needs() for s in steps]) for steps in groups]
    if sum(n.accelerators * (n.min_actors or 1) for n in needs) > found.high:
        groups, needs = [tuple(models)], [_combined(needs)]
    least = [n.accelerators * (n.min_actors or 1) for n in needs]
    pools = []
    for steps, n, mine in zip(groups, needs, least, strict=True):
        share = n.accelerators
        most = max(1, math.floor((found.high - sum(least) + mine) / share))
        high = min(most, n.max_actors) if n.max_actors and len(groups) > 1 else n.max_actors or most
        low = min(high, n.min_actors or (1 if len(groups) > 1 else max(1, math.floor(found.low / share))))
        gpu = found.kind == "gpu"
        pools.append(
            Pool(
                n.cpus,
                share if gpu else 0.0,
                () if gpu else (("NPU", share),),
                (low, high),
                steps,
                Device("gpu" if gpu else "npu", share),
            )
        )
    return tuple(pools)


def _leave_a_core(pools: tuple[Pool, ...], cores: float) -> tuple[Pool, ...]:
    """The pools with fewer cores per process if they would otherwise leave none for the workers."""
    processes, wanted = sum(p.size[1] for p in pools), _cpus(pools, 1)
    if wanted <= cores - 1:
        return pools
    share = max(0.0, cores - 1) / processes
    return tuple(replace(p, num_cpus=math.floor(min(p.num_cpus, share) * 1000) / 1000) for p in pools)


def _cpus(pools: Sequence[Pool], limit: int) -> float:
    return sum(p.num_cpus * p.size[limit] for p in pools)


def _beside(
    pools: Sequence[Pool], local: Sequence[Step[Model]], low: float, high: float, available: Mapping[str, float]
) -> Pool:
    """The workers on the cores that the pools leave."""
    least, most = (max(1, math.floor(cores - _cpus(pools, limit))) for cores, limit in ((low, 0), (high, 1)))
    if local:
        return _on_cpus(local, {**available, "CPU": float(most)})
    return Pool(size=(min(least, most), most))


def _on_cpus(models: Sequence[Step[Model]], available: Mapping[str, float]) -> Pool:
    """One process per core as far as memory permits. A model of unknown size gets one process with all cores."""
    needs = _combined([step.operator.needs() for step in models])
    cores = max(1, int(available.get("CPU", 1)))
    if needs.memory is None and needs.max_actors is None:
        return Pool(cores, models=tuple(models), device=Device("cpu", cores))
    fit = cores / (needs.cpus or 1.0)
    if needs.memory:
        fit = min(fit, MEMORY_SHARE * available.get("memory", math.inf) / needs.memory)
    high = needs.max_actors or max(1, math.floor(fit))
    low = min(high, needs.min_actors or high)
    return Pool(needs.cpus, size=(low, high), models=tuple(models), device=Device("cpu", needs.cpus))
