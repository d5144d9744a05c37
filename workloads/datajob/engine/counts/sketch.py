"""A compact summary of a distribution: a histogram whose bin width is proportional to the values.

A number is truncated to its first eight binary digits, so that each power of two has 128 bins of equal width. Compared
with t-digest and KLL, merging two sketches is lossless (bins add up): a result does not depend on how the rows were cut
into shards or on their order. Compared with the logarithmic bins of DDSketch, truncation is exact on every machine,
whereas a logarithm is not, and integers up to 256 and fractions such as 1/4 remain exact.

Error: a quantile is the lower edge (nearer to zero) of the bin that contains the exact quantile, an error of less than
1/128 = 0.8%. Space: two small integers per non-empty bin, a few hundred bins for a measure of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TRUNCATED_BITS = 52 - 7
"""Seven of the 52 mantissa bits of a double remain."""
WIDEST = 2.0**-7
"""Maximum width of a bin, as a share of its lower edge."""


@dataclass
class Sketch:
    """Counts per bin. Bins are numbered in ascending order of their values; bin 0 holds zero."""

    bins: dict[int, int] = field(default_factory=dict)
    missing: int = 0
    """Number of values that are null, NaN or infinite."""
    lowest: float | None = None
    highest: float | None = None
    """Exact; None as long as there is no number."""

    @property
    def count(self) -> int:
        """Number of values, without missing ones."""
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
        """Add the counts of another sketch."""
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
        """For each share (0 to 1), the value at position `share * (count - 1)`, rounded down, in ascending order.

        Subject to the error above. Raises ValueError if there are no values.
        """
        return self.nth([floor(share * (self.count - 1)) for share in shares])

    def nth(self, ranks: Sequence[int]) -> list[float]:
        """The value at each position, starting at 0, in ascending order.

        Subject to the error above. Raises ValueError if there are no values.
        """
        import numpy as np

        if self.lowest is None or self.highest is None:
            raise ValueError("a distribution without values has no quantiles")
        keys, counts = self._ascending()
        found = _edges(keys[np.searchsorted(np.cumsum(counts), ranks, side="right")])
        return [float(value) for value in np.clip(found, self.lowest, self.highest)]

    def below(self, limit: float) -> int:
        """Number of values below `limit`, without those in the bin of `limit` (less than 0.8% away)."""
        return self._beyond(limit, below=True)

    def above(self, limit: float) -> int:
        """Number of values above `limit`, without those in the bin of `limit` (less than 0.8% away)."""
        return self._beyond(limit, below=False)

    def _beyond(self, limit: float, *, below: bool) -> int:
        import numpy as np

        at = int(_bins(np.array([limit], dtype=np.float64))[0])
        return sum(count for key, count in self.bins.items() if (key < at if below else key > at))

    def counts_between(self, edges: Sequence[float]) -> list[int]:
        """Number of values from each edge up to the next one.

        A bin is counted as a whole where its lower edge is. Values outside all edges are omitted; the last edge itself is
        included.
        """
        import numpy as np

        keys, counts = self._ascending()
        places = np.searchsorted(np.asarray(edges), _edges(keys), side="right") - 1
        places[(_edges(keys) == edges[-1])] = len(edges) - 2
        inside = (places >= 0) & (places < len(edges) - 1)
        return [int(c) for c in np.bincount(places[inside], counts[inside], len(edges) - 1)]

    def is_whole(self, low: float, high: float) -> bool:
        """True if all values from `low` to `high` are integers, to the precision of eight binary digits."""
        import numpy as np

        edges = _edges(self._ascending()[0])
        return not np.mod(edges[(edges >= low) & (edges <= high)], 1).any()

    def _ascending(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        import numpy as np

        ordered = np.array(sorted(self.bins.items()), dtype=np.int64).reshape(-1, 2)
        return ordered[:, 0], ordered[:, 1]

    def to_json(self) -> dict[str, Any]:
        """Plain data. Bins are stored as the distance from the previous one, which keeps them short."""
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
    """The bin of each value: the leading bits of a double ascend with its magnitude; the sign is applied to the result."""
    import numpy as np

    sizes = np.abs(numbers).view(np.int64) >> TRUNCATED_BITS
    return np.where(numbers < 0, -sizes, sizes)


def _edges(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """The edge of each bin that is closer to zero."""
    import numpy as np

    sizes = (np.abs(bins) << TRUNCATED_BITS).view(np.float64)
    return np.where(bins < 0, -sizes, sizes)
