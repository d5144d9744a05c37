"""Decides where the shards of a stage run: as CPU tasks, or on actors that keep models loaded. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from datajob.api.resources import Accelerator, Resources
from datajob.engine.plan.fused import FusedSteps
from datajob.operators.base import Device, Model, ModelResources

RAY_RESOURCE = {"gpu": "GPU", "npu": "NPU"}
MEMORY_SHARE = 0.8
"""Share of the memory of the cluster that copies of a model may use on CPUs."""


@dataclass(frozen=True)
class Placement:
    """What a shard requires from the worker that runs it."""

    num_cpus: float = 1.0
    num_gpus: float = 0.0
    resources: tuple[tuple[str, float], ...] = ()
    actors: tuple[int, int] | None = None
    """Minimum and maximum number of actors that keep models loaded; None: stateless tasks."""
    models: tuple[Model, ...] = ()
    """The models that each actor loads."""
    device: Device = field(default_factory=Device)
    """The device of each actor."""


def place(fused: FusedSteps | None, resources: Resources, available: Mapping[str, float], promised: bool = False) -> Placement:
    """The placement of fused steps on a cluster with the `available` Ray resources.

    Inference uses the accelerators that the job requests, and waits for them if they are `promised` (a cluster that is
    created for the job). On a single machine, it uses the accelerators that are available, or otherwise the CPUs.
    """
    models = () if fused is None else tuple(s.operator for s in fused.steps if isinstance(s.operator, Model))
    if fused is None or not models:
        return Placement()
    needs = _combined([m.needs() for m in models])
    if fused.accelerated:
        asked = resources.accelerator
        if asked is not None and (promised or available.get(RAY_RESOURCE[asked.type], 0) > 0):
            return _on_accelerators(models, needs, asked.type, *_count(asked, promised, available))
        for kind in () if promised else ("gpu", "npu"):
            if (there := int(available.get(RAY_RESOURCE[kind], 0))) > 0:
                return _on_accelerators(models, needs, kind, there, there)
    return _on_cpus(models, needs, available)


def _combined(needs: list[ModelResources]) -> ModelResources:
    """The resources of an actor that keeps several models loaded."""
    memory = [n.memory for n in needs]
    return ModelResources(
        max(n.accelerators for n in needs),
        max(n.cpus for n in needs),
        max((n.min_actors for n in needs if n.min_actors), default=None),
        min((n.max_actors for n in needs if n.max_actors), default=None),
        None if None in memory else sum(m or 0 for m in memory),
    )


def _count(asked: Accelerator, promised: bool, available: Mapping[str, float]) -> tuple[int, int]:
    if promised:
        return asked.min * asked.per_worker, asked.max * asked.per_worker
    there = int(available[RAY_RESOURCE[asked.type]])
    return there, there


def _on_accelerators(models: tuple[Model, ...], needs: ModelResources, kind: str, minimum: int, maximum: int) -> Placement:
    share = needs.accelerators
    high = needs.max_actors or max(1, math.floor(maximum / share))
    low = min(high, needs.min_actors or max(1, math.floor(minimum / share)))
    device = Device("gpu" if kind == "gpu" else "npu", share)
    if kind == "gpu":
        return Placement(needs.cpus, share, actors=(low, high), models=models, device=device)
    return Placement(needs.cpus, resources=(("NPU", share),), actors=(low, high), models=models, device=device)


def _on_cpus(models: tuple[Model, ...], needs: ModelResources, available: Mapping[str, float]) -> Placement:
    """One actor per core as far as memory permits. A model of unknown size gets one actor with all cores."""
    cores = max(1, int(available.get("CPU", 1)))
    if needs.memory is None and needs.max_actors is None:
        return Placement(cores, actors=(1, 1), models=models, device=Device("cpu", cores))
    fit = cores / needs.cpus
    if needs.memory:
        fit = min(fit, MEMORY_SHARE * available.get("memory", math.inf) / needs.memory)
    high = needs.max_actors or max(1, math.floor(fit))
    low = min(high, needs.min_actors or high)
    return Placement(needs.cpus, actors=(low, high), models=models, device=Device("cpu", needs.cpus))
