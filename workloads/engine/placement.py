"""Where the units of a segment run: CPU tasks for cleaning, actors that keep their model for inference."""

from __future__ import annotations

from collections.abc import Mapping

from workloads.api.resources import Resources
from workloads.engine.executors import Placement
from workloads.engine.plan import Segment

RAY_RESOURCE = {"gpu": "GPU", "npu": "NPU"}


def place(segment: Segment | None, resources: Resources, available: Mapping[str, float]) -> Placement:
    """The placement of a segment on a cluster that has `available` Ray resources.

    Inference goes to the accelerators when there are any; without them (a laptop) it runs on the CPUs.
    """
    if segment is None or not segment.inference:
        return Placement()
    accelerator = resources.accelerator
    cpus = max(1, int(available.get("CPU", 1)))
    if not segment.accelerated or accelerator is None or not _there(accelerator.type, accelerator.min, available):
        return Placement(actors=(1, cpus))
    low = max(1, accelerator.min * accelerator.per_worker)
    high = max(low, accelerator.max * accelerator.per_worker)
    if accelerator.type == "gpu":
        return Placement(num_gpus=1.0, actors=(low, high))
    return Placement(resources=(("NPU", 1.0),), actors=(low, high))


def _there(kind: str, least: int, available: Mapping[str, float]) -> bool:
    """Accelerators are up, or the autoscaler starts them on demand (a group whose minimum is zero)."""
    return available.get(RAY_RESOURCE[kind], 0) > 0 or least == 0
