"""Divides accelerators among the models of a stage, so that the slowest one limits the stage as little as possible. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

GAIN = 1.15
"""A process is moved only if the stage becomes this much faster, because the new process has to load its model."""


@dataclass(frozen=True)
class Demand:
    """What the processes of a model have to do for each row of the stage."""

    accelerators: float
    """Of each process."""
    size: tuple[int, int]
    """Minimum and maximum number of processes."""
    seconds: float
    """Time of a process for each row that the stage reads. Rows that an earlier step rejects cost nothing."""


def initial(demands: Sequence[Demand], accelerators: float) -> list[int]:
    """The number of processes of each model as long as nothing is known: the same number of accelerators for each."""
    sizes = [d.size[0] for d in demands]
    while True:
        free = accelerators - _used(demands, sizes)
        fit = [i for i, d in enumerate(demands) if sizes[i] < d.size[1] and d.accelerators <= free + 1e-9]
        if not fit:
            return sizes
        smallest = min(fit, key=lambda i: sizes[i] * demands[i].accelerators)
        sizes[smallest] += 1


def better(demands: Sequence[Demand], sizes: Sequence[int], accelerators: float) -> list[int]:
    """The sizes after moving accelerators from one model to another, if this makes the stage faster; otherwise `sizes`."""
    best, rate = list(sizes), _rate(demands, sizes) * GAIN
    for giver, gives in enumerate(demands):
        for taker, takes in enumerate(demands):
            if giver == taker or not gives.accelerators or sizes[taker] >= takes.size[1]:
                continue
            free = accelerators - _used(demands, sizes)
            gone = max(1, math.ceil((takes.accelerators - free) / gives.accelerators - 1e-9))
            come = math.floor((free + gone * gives.accelerators) / takes.accelerators + 1e-9)
            moved = list(sizes)
            moved[giver] -= gone
            moved[taker] = min(takes.size[1], moved[taker] + come)
            if moved[giver] >= gives.size[0] and _rate(demands, moved) > rate:
                best, rate = moved, _rate(demands, moved)
    return best


def _rate(demands: Sequence[Demand], sizes: Sequence[int]) -> float:
    """Rows per second of the stage."""
    return min((n / d.seconds if d.seconds else math.inf for n, d in zip(sizes, demands, strict=True)), default=math.inf)


def _used(demands: Sequence[Demand], sizes: Sequence[int]) -> float:
    return sum(n * d.accelerators for n, d in zip(sizes, demands, strict=True))
