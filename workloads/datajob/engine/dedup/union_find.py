"""Connected components of an edge list, each labelled with its smallest member.

Pure numpy: minimum labels are passed along edges and paths are halved until nothing changes (Shiloach and Vishkin, 1982).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST = 1 << 20
"""Edges that wait before they are merged into the forest, or as many as the forest has if that is more."""


def components(left: NDArray[np.int64], right: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All rows that have an edge (perhaps to themselves), ascending, and the smallest row of each one's component."""
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
    """Components of edges that arrive in pieces.

    Memory grows with the rows that have an edge, not with the edges; work is linear up to the logarithm of a sort, for
    edges are merged once as many wait as rows are known.
    """

    def __init__(self) -> None:
        import numpy as np

        self._rows = self._first = np.zeros(0, dtype=np.int64)
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._edges = 0

    def add(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
        """Take edges between `left[i]` and `right[i]`."""
        self._waiting.append((left, right))
        self._edges += len(left)
        if self._edges > max(LEAST, len(self._rows)):
            self._merge()

    def members(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """As `components`, over all edges so far."""
        self._merge()
        return self._rows, self._first

    def _merge(self) -> None:
        import numpy as np

        pieces = [(self._rows, self._first), *self._waiting]
        self._rows, self._first = components(*(np.concatenate(side) for side in zip(*pieces, strict=True)))
        self._waiting, self._edges = [], 0
