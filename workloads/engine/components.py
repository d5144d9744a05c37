"""Connected components of an edge list, each labelled with its smallest member. Pure numpy: minimum labels are passed
along edges and paths are halved until nothing changes (Shiloach and Vishkin, 1982)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def repeated(left: NDArray[np.int64], right: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Members of components that are not their smallest one, ascending, and the smallest one of each."""
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
            break
    others = np.flatnonzero(label != np.arange(len(nodes)))
    return nodes[others], nodes[label[others]]
