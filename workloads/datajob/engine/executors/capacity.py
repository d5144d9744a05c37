"""Actors that find no place: said at once where they never will, and after a while where they may have to wait."""

from __future__ import annotations

from datajob.engine.executors.placement import Placement
from datajob.errors import InvalidJob

NOTICE_SECONDS = 60.0
"""How long actors may be on their way before it is said that none has come, and from then on every so often."""


def refuse_impossible(placement: Placement, promised: bool) -> None:
    """Raises InvalidJob when no machine of Ray is as large as an actor, and none is `promised` that is."""
    if promised:
        return
    largest = _largest()
    for name, wanted in _wanted(placement).items():
        if wanted > largest.get(name, 0):
            raise InvalidJob(
                f"A process with the model is to have {wanted:g} {name}, and the largest machine here has "
                f"{largest.get(name, 0):g}. Ask for less in `actors` of the step "
                f"(`{'cpus' if name == 'CPU' else 'accelerators'}`), or run the job where there is more."
            )


def notice(placement: Placement, seconds: float) -> str:
    """Why no actor may have come yet, as far as Ray knows."""
    import ray

    total, free = ray.cluster_resources(), ray.available_resources()  # type: ignore[no-untyped-call]
    each = " and ".join(f"{wanted:g} {name}" for name, wanted in _wanted(placement).items())
    there = ", ".join(f"{total.get(name, 0):g} {name} of which {free.get(name, 0):g} free" for name in _wanted(placement))
    return (
        f"No process with the model has started in {seconds:.0f} seconds. Each needs {each}; the cluster has {there}. "
        "The job goes on as soon as there is room: check that workers with these resources are coming, or stop what takes them."
    )


def _wanted(placement: Placement) -> dict[str, float]:
    wanted = {"CPU": placement.num_cpus, "GPU": placement.num_gpus, **dict(placement.resources)}
    return {name: amount for name, amount in wanted.items() if amount}


def _largest() -> dict[str, float]:
    """The most of each resource that a single machine has."""
    import ray

    largest: dict[str, float] = {}
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        for name, amount in node["Resources"].items() if node["Alive"] else ():
            largest[name] = max(largest.get(name, 0.0), amount)
    return largest
