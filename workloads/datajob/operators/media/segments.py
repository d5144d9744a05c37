"""Segments of speech from probabilities of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

HYSTERESIS = 0.15
"""Speech ends below the threshold by this much, as in silero's own code."""


class Rules(NamedTuple):
    """Limits of segments, in seconds."""

    threshold: float
    min_silence: float
    pad: float
    min: float
    max: float


def segments(probabilities: Floats, frame: float, duration: float, rules: Rules) -> list[tuple[float, float]]:
    """Start and end of each segment of speech in seconds, in order and without overlaps."""
    found: list[tuple[float, float]] = []
    silence = max(1, round(rules.min_silence / frame))
    longest = max(2, int((rules.max - 2 * min(rules.pad, rules.max / 4)) / frame))
    for start, end in _runs(probabilities, rules.threshold, silence):
        for first, last in _cut(probabilities, start, end, longest):
            found.append((first * frame, min(duration, last * frame)))
    return [segment for segment in _padded(found, duration, rules) if segment[1] - segment[0] >= rules.min - 1e-9]


def _runs(probabilities: Floats, threshold: float, silence: int) -> list[tuple[int, int]]:
    """Runs of speech: they start at the threshold, and end where at least `silence` frames are below the lower one."""
    runs: list[tuple[int, int]] = []
    start: int | None = None
    quiet = 0
    values: Any = probabilities.tolist()
    for at, value in enumerate(values):
        if value >= threshold:
            start = at if start is None else start
            quiet = 0
        elif start is not None:
            quiet = quiet + 1 if value < threshold - HYSTERESIS or quiet else 0
            if quiet >= silence:
                runs.append((start, at + 1 - quiet))
                start, quiet = None, 0
    if start is not None:
        runs.append((start, len(values) - quiet))
    return runs


def _cut(probabilities: Floats, start: int, end: int, longest: int) -> list[tuple[int, int]]:
    """A run in parts of at most `longest` frames, cut where speech is least probable in the second half of a part."""
    parts = []
    while end - start > longest:
        low = start + longest // 2
        at = low + int(probabilities[low : start + longest].argmin()) if longest > 2 else start + longest
        parts.append((start, max(at, start + 1)))
        start = parts[-1][1]
    return [*parts, (start, end)]


def _padded(found: list[tuple[float, float]], duration: float, rules: Rules) -> list[tuple[float, float]]:
    """Longer on both sides, but at most to the middle of a gap, and within the audio."""
    padded = []
    for number, (start, end) in enumerate(found):
        before = found[number - 1][1] if number else -start
        after = found[number + 1][0] if number + 1 < len(found) else 2 * duration - end
        left, right = min(rules.pad, (start - before) / 2), min(rules.pad, (after - end) / 2)
        padded.append((round(max(0.0, start - left), 3), round(min(duration, end + right), 3)))
    return padded
