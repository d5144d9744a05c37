"""The form of every figure: a JSON line that says what was measured, against what, and what the goal is."""

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure. `ratio` is value / against (or how often better), `goal` what it should be."""

    figure: str
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    goal: str = ""

    def line(self) -> str:
        """As printed for programs."""
        return json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}, ensure_ascii=False)


def publish(figures: Sequence[Figure]) -> None:
    """Print figures as a table and, last, one JSON line each."""
    width = max(len(f.figure) for f in figures)
    for f in figures:
        ratio = "" if f.ratio is None else f"{f.ratio:6.2f}x"
        print(f"{f.figure:<{width}}  {f.value:>10.2f} {f.unit:<6} {ratio:>8}  {f.against}  goal {f.goal}")
    for f in figures:
        print(f.line())
    sys.stdout.flush()


def alternate(runs: int, *measured: Callable[[], float]) -> tuple[float, ...]:
    """Median of each of `measured`, called in turns (A B A B ...) so that drift of the machine hits all alike."""
    found: list[list[float]] = [[] for _ in measured]
    for _ in range(runs):
        for values, measure in zip(found, measured, strict=True):
            values.append(measure())
    return tuple(statistics.median(values) for values in found)
