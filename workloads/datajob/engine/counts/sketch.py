"""How numbers are distributed, in little space: a histogram whose bins are as fine as the numbers are large.

A number counts as its first eight binary digits: each power of two has 128 bins of equal width. Chosen over t-digest
and KLL because adding two sketches loses nothing (bins add up), so that a result does not depend on how rows were cut
into shards or in which order they came; and over the logarithmic bins of DDSketch because cutting digits off is exact
on every machine, where a logarithm is not, and because whole numbers to 256 and fractions such as 1/4 stay what they are.

Error: a quantile is the lower edge (nearer to zero) of the bin that the exact quantile is in, less than 1/128 = 0.8 %
of its value off. Space: two small integers per bin that holds something, a few hundred for a measure of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DROPPED_BITS = 52 - 7
"""Of the 52 digits of a double behind the first one, seven stay."""
WIDEST = 2.0**-7
"""Width of a bin as a share of its lower edge, at most."""


@dataclass
class Sketch:
    """Counts per bin. Bins are numbered in the order of their numbers; bin 0 holds zero."""

    bins: dict[int, int] = field(default_factory=dict)
    missing: int = 0
    """How many were no numbers (null, NaN) or infinite."""
    lowest: float | None = None
    highest: float | None = None
    """Exact; None while there is no number."""

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return sum(self.bins.values())

    def add(self, values: NDArray[Any]) -> None:
        """Count numbers of any numeric type."""
        import numpy as np

        numbers = np.asarray(values, dtype=np.float64)
        finite = numbers[np.isfinite(numbers)]
        self.missing += len(numbers) - len(finite)
        if len(finite):
            self._widen(float(finite.min()) + 0.0, float(finite.max()) + 0.0)  # not -0.0
            found, counts = np.unique(_bins(finite), return_counts=True)
            self._count(zip(found.tolist(), counts.tolist(), strict=True))

    def merge(self, other: Sketch) -> None:
        """Add what another sketch has counted."""
        self.missing += other.missing
        if other.lowest is not None and other.highest is not None:
            self._widen(other.lowest, other.highest)
            self._count(other.bins.items())

    def _widen(self, lowest: float, highest: float) -> None:
        self.lowest = lowest if self.lowest is None else min(self.lowest, lowest)
        self.highest = highest if self.highest is None else max(self.highest, highest)

    def _count(self, counts: Any) -> None:
        for key, count in counts:
            self.bins[key] = self.bins.get(key, 0) + count

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """For each share in 0..1 the number at position `share * (count - 1)` (rounded down) of all in ascending order,
        but for the error above. Raises ValueError when there is no number."""
        return self.nth([floor(share * (self.count - 1)) for share in shares])

    def nth(self, ranks: Sequence[int]) -> list[float]:
        """The number at each position, from 0, of all in ascending order, but for the error above. Raises ValueError when
        there is no number."""
        import numpy as np

        if self.lowest is None or self.highest is None:
            raise ValueError("a distribution without a number has no quantiles")
        keys, counts = self._ascending()
        found = _edges(keys[np.searchsorted(np.cumsum(counts), ranks, side="right")])
        return [float(value) for value in np.clip(found, self.lowest, self.highest)]

    def below(self, limit: float) -> int:
        """Numbers less than `limit`, those in its own bin (less than 0.8 % away) left out."""
        return self._beyond(limit, below=True)

    def above(self, limit: float) -> int:
        """Numbers greater than `limit`, those in its own bin (less than 0.8 % away) left out."""
        return self._beyond(limit, below=False)

    def _beyond(self, limit: float, *, below: bool) -> int:
        import numpy as np

        at = int(_bins(np.array([limit], dtype=np.float64))[0])
        return sum(count for key, count in self.bins.items() if (key < at if below else key > at))

    def counts_between(self, edges: Sequence[float]) -> list[int]:
        """Numbers from each edge up to the next; a bin counts whole where its lower edge is. Those outside of all are
        left out, the very last edge is included."""
        import numpy as np

        keys, counts = self._ascending()
        places = np.searchsorted(np.asarray(edges), _edges(keys), side="right") - 1
        places[(_edges(keys) == edges[-1])] = len(edges) - 2
        inside = (places >= 0) & (places < len(edges) - 1)
        return [int(c) for c in np.bincount(places[inside], counts[inside], len(edges) - 1)]

    def is_whole(self, low: float, high: float) -> bool:
        """True when all numbers from `low` to `high` are whole ones, as far as eight binary digits tell."""
        import numpy as np

        edges = _edges(self._ascending()[0])
        return not np.mod(edges[(edges >= low) & (edges <= high)], 1).any()

    def _ascending(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        import numpy as np

        ordered = np.array(sorted(self.bins.items()), dtype=np.int64).reshape(-1, 2)
        return ordered[:, 0], ordered[:, 1]

    def to_json(self) -> dict[str, Any]:
        """Plain data; bins as the distance from the one before, which makes them short."""
        import numpy as np

        keys, counts = self._ascending()
        steps = np.diff(keys, prepend=0).tolist()
        return {"missing": self.missing, "range": [self.lowest, self.highest], "steps": steps, "counts": counts.tolist()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Sketch:
        """The inverse of `to_json`."""
        import numpy as np

        keys = np.cumsum(data["steps"], dtype=np.int64).tolist()
        return cls(dict(zip(keys, data["counts"], strict=True)), data["missing"], *data["range"])


def _bins(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each number: the leading bits of a double ascend with its size, the sign goes before them."""
    import numpy as np

    sizes = np.abs(numbers).view(np.int64) >> DROPPED_BITS
    return np.where(numbers < 0, -sizes, sizes)


def _edges(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """The edge of each bin that is nearer to zero."""
    import numpy as np

    sizes = (np.abs(bins) << DROPPED_BITS).view(np.float64)
    return np.where(bins < 0, -sizes, sizes)
