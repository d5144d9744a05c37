"""Detects actors that cannot start: an error if no machine is large enough, a notice if they have to wait."""

from __future__ import annotations

from datajob.engine.executors.placement import Pool
from datajob.errors import InvalidJob

NOTICE_SECONDS = 60.0
"""Time after which a notice reports that no actor has started; repeated at the same interval."""


def refuse_impossible(pool: Pool, promised: bool) -> None:
    """Raise InvalidJob if no machine of the Ray cluster is large enough for an actor, unless resources are `promised`."""
    if promised:
        return
    largest = _largest()
    for name, wanted in _wanted(pool).items():
        if wanted > largest.get(name, 0):
            raise InvalidJob(
                f"A model process requires {wanted:g} {name}, but the largest machine of the cluster has "
                f"{largest.get(name, 0):g}. Request less in `actors` of the step "
                f"(`{'cpus' if name == 'CPU' else 'accelerators'}`), or run the job on a larger machine."
            )


def notice(pool: Pool, what: str, seconds: float) -> str:
    """A message about the resources that actors wait for."""
    import ray

    total, free = ray.cluster_resources(), ray.available_resources()  # type: ignore[no-untyped-call]
    each = " and ".join(f"{wanted:g} {name}" for name, wanted in _wanted(pool).items())
    there = ", ".join(f"{total.get(name, 0):g} {name} ({free.get(name, 0):g} free)" for name in _wanted(pool))
    return (
        f"No {what} has started within {seconds:.0f} seconds. Each requires {each}; the cluster has {there}. "
        "The job continues as soon as capacity is available: check that workers with these resources are starting, or stop "
        "the workloads that use them."
    )


def _wanted(pool: Pool) -> dict[str, float]:
    wanted = {"CPU": pool.num_cpus, "GPU": pool.num_gpus, **dict(pool.resources)}
    return {name: amount for name, amount in wanted.items() if amount}


def machines(pool: Pool) -> set[str]:
    """The machines of the Ray cluster that are large enough for a process."""
    import ray

    wanted = _wanted(pool)
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return {n["NodeID"] for n in alive if all(n["Resources"].get(name, 0) >= amount for name, amount in wanted.items())}


def _largest() -> dict[str, float]:
    """The largest amount of each resource on a single machine."""
    import ray

    largest: dict[str, float] = {}
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        for name, amount in node["Resources"].items() if node["Alive"] else ():
            largest[name] = max(largest.get(name, 0.0), amount)
    return largest
