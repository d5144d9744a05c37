"""Connected components of an edge list, each labeled with its smallest member.

Pure NumPy: minimum labels propagate along edges, and paths are halved until nothing changes (Shiloach and Vishkin, 1982).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_WAITING = 1 << 20
"""Edges are merged into the forest once there are more of them than this, and more than the forest has rows."""


def components(left: NDArray[np.int64], right: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All rows with an edge (possibly to themselves), ascending, and the smallest row of the component of each."""
    import numpy as np

    nodes, flat = np.unique(np.concatenate([left, right]), return_inverse=True)
    a, b = flat[: len(left)], flat[len(left) :]
    label = np.arange(len(nodes))
    while True:
        low = np.minimum(label[a], label[b])
        before = label.copy()
        np.minimum.at(label, label[a], low)
        np.minimum.at(label, label[b], low)
        while not np.array_equal(label, halved := label[label]):
            label = halved
        if np.array_equal(before, label):
            return nodes, nodes[label]


class Forest:
    """Components of edges that are added in parts.

    Memory grows with the number of rows that have an edge, not with the number of edges. Work is linear except for the
    logarithm of a sort, since edges are merged once there are as many of them as known rows.
    """

    def __init__(self) -> None:
        import numpy as np

        self._rows = self._first = np.zeros(0, dtype=np.int64)
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._edges = 0

    def add(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
        """Add edges between `left[i]` and `right[i]`."""
        self._waiting.append((left, right))
        self._edges += len(left)
        if self._edges > max(MIN_WAITING, len(self._rows)):
            self._merge()

    def members(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The result of `components` for all edges so far."""
        self._merge()
        return self._rows, self._first

    def _merge(self) -> None:
        import numpy as np

        pieces = [(self._rows, self._first), *self._waiting]
        self._rows, self._first = components(*(np.concatenate(side) for side in zip(*pieces, strict=True)))
        self._waiting, self._edges = [], 0
