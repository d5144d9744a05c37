"""The format of measurements: one JSON line with the value, what it is compared with, and the goal."""

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One measurement. `ratio` compares the value with `against`; `goal` is the target."""

    figure: str
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    goal: str = ""

    def line(self) -> str:
        """The measurement as a JSON line."""
        return json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}, ensure_ascii=False)


def publish(figures: Sequence[Figure]) -> None:
    """Print measurements as a table, then as JSON lines."""
    width = max(len(f.figure) for f in figures)
    for f in figures:
        ratio = "" if f.ratio is None else f"{f.ratio:6.2f}x"
        print(f"{f.figure:<{width}}  {f.value:>10.2f} {f.unit:<6} {ratio:>8}  {f.against}  goal {f.goal}")
    for f in figures:
        print(f.line())
    sys.stdout.flush()


def alternate(runs: int, *measured: Callable[[], float]) -> tuple[float, ...]:
    """Median of each of `measured`, called alternately (A B A B ...) so that changes in load affect all of them."""
    found: list[list[float]] = [[] for _ in measured]
    for _ in range(runs):
        for values, measure in zip(found, measured, strict=True):
            values.append(measure())
    return tuple(statistics.median(values) for values in found)
