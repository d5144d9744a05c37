"""Connected components compared with plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datajob.engine.dedup import union_find
from datajob.engine.dedup.union_find import Forest

Edges = list[tuple[int, int]]


def slow(edges: Edges) -> dict[int, int]:
    """The smallest member of the component of each row that has an edge."""
    first = {row: row for edge in edges for row in edge}
    changed = True
    while changed:
        changed = False
        for a, b in edges:
            low = min(first[a], first[b])
            changed |= first[a] != low or first[b] != low
            first[a] = first[b] = low
    return first


def forest_of(pieces: list[Edges]) -> dict[int, int]:
    forest = Forest()
    for edges in pieces:
        forest.add(*np.array(edges, np.int64).reshape(-1, 2).T)
    rows, first = forest.members()
    assert (np.diff(rows) > 0).all()
    return dict(zip(rows.tolist(), first.tolist(), strict=True))


rows = st.integers(-5, 30)
edge_lists = st.lists(st.tuples(rows, rows), max_size=40)


@pytest.mark.parametrize("least", [0, 1 << 20])
@given(pieces=st.lists(edge_lists, max_size=5))
def test_each_row_is_labeled_with_the_smallest_of_its_component(least: int, pieces: list[Edges]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(union_find, "MIN_WAITING", least)
        assert forest_of(pieces) == slow([edge for edges in pieces for edge in edges])


@pytest.mark.parametrize("length", [2, 1000, 100_000])
def test_a_long_chain_is_one_component(length: int) -> None:
    numbers = np.random.default_rng(0).permutation(length)
    forest = Forest()
    forest.add(numbers[1:], numbers[:-1])
    assert set(forest.members()[1].tolist()) == {0}
