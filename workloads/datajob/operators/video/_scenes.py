"""Scenes from scores of frames, with the rules of PySceneDetect."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor
from typing import NamedTuple

_LARGEST_RATIO = 255.0
_MICROSECONDS = 1_000_000


class Lengths(NamedTuple):
    """Limits of scenes, in seconds."""

    min: float
    max: float | None
    trim: float


def content_cuts(times: Sequence[float], scores: Sequence[float], threshold: float, shortest: float) -> list[int]:
    """The positions of the frames that begin a scene: ContentDetector, with its filter that merges short scenes."""
    cuts: list[int] = []
    last = start = 0
    enabled = merging = False
    for at, score in enumerate(scores):
        above = score >= threshold
        long_enough = times[at] - times[last] >= shortest
        if above:
            last = at
        if shortest <= 0:
            cuts += [at] * above
        elif merging:
            if long_enough and not above and times[last] - times[start] >= shortest:
                merging = False
                cuts.append(last)
        elif above and long_enough:
            enabled = True
            cuts.append(at)
        elif above and enabled:
            merging, start = True, at
    return cuts


def adaptive_cuts(
    times: Sequence[float], scores: Sequence[float], threshold: float, shortest: float, window: int = 2, least: float = 15.0
) -> list[int]:
    """The positions of the frames that begin a scene: AdaptiveDetector, which compares a score with those around it."""
    cuts: list[int] = []
    last = 0
    for at in range(window, len(scores) - window):
        around = (sum(scores[at - window : at]) + sum(scores[at + 1 : at + 1 + window])) / (2.0 * window)
        if abs(around) >= 0.00001:
            ratio = min(scores[at] / around, _LARGEST_RATIO)
        else:
            ratio = _LARGEST_RATIO if scores[at] >= least else 0.0
        if ratio >= threshold and scores[at] >= least and times[at] - times[last] >= shortest:
            last = at
            cuts.append(at)
    return cuts


def scenes(times: Sequence[float], cuts: Sequence[int], lengths: Lengths) -> list[tuple[float, float]]:
    """Start and end of each scene in seconds. A scene that is longer than `max` is divided into parts of equal length."""
    end = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 0.0)
    edges = [times[0], *(times[cut] for cut in cuts), end]
    found: list[tuple[float, float]] = []
    for first, last in pairwise(edges):
        start, stop = first + lengths.trim, last - lengths.trim
        parts = ceil((stop - start) / lengths.max - 1e-9) if lengths.max is not None and stop > start else 1
        bounds = [*(start + (stop - start) * part / parts for part in range(parts)), stop]
        found += [(_before(a), _before(b)) for a, b in pairwise(bounds)]
    return [scene for scene in found if scene[1] - scene[0] >= max(lengths.min - 2e-6, 1e-6)]


def _before(time: float) -> float:
    """Rounded down to a microsecond: the frame at a cut belongs to the scene behind it, and to that only."""
    return max(0.0, floor(time * _MICROSECONDS + 1e-4) / _MICROSECONDS)
