"""Pairs of hashes within a distance, against a comparison of all pairs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from datajob.engine.dedup.union_find import components
from datajob.operators.dedup._linking import groups_of
from datajob.operators.dedup._near_hashes import _known_elsewhere, block_bounds, link_near_hashes, near_signatures, words_of
from datajob.operators.kernels.hamming import first_kept
from datajob.operators.media.hashes import words


def clustered(count: int, bits: int, changes: int, seed: int) -> np.ndarray:
    """Hashes around random centers, with up to `changes` changed bits each."""
    random = np.random.default_rng(seed)
    every = random.integers(0, 2, (max(count // 8, 1), bits), dtype=np.uint8)[random.integers(0, max(count // 8, 1), count)]
    for _ in range(changes):
        flipped, rows = random.integers(0, bits, count), random.integers(0, 2, count).astype(bool)
        every[np.arange(count)[rows], flipped[rows]] ^= 1
    return np.packbits(every, axis=1)


def labels(left: np.ndarray, right: np.ndarray, count: int) -> list[int]:
    """The first member of the component of each hash."""
    own = np.arange(count)
    return components(np.concatenate([left, own]), np.concatenate([right, own]))[1].tolist()


def slow_labels(hashes: np.ndarray, distance: int) -> list[int]:
    """The same from the distances of all pairs."""
    every, found = words(hashes), np.full(len(hashes), -1)
    for start in range(len(hashes)):
        waiting = [start] if found[start] < 0 else []
        found[waiting] = start
        while waiting:
            near = np.bitwise_count(every ^ every[waiting.pop()]).sum(axis=1) <= distance
            new = np.flatnonzero(near & (found < 0))
            found[new] = start
            waiting += new.tolist()
    return found.tolist()


def found_labels(hashes: np.ndarray, bits: int, distance: int, partitions: int = 3) -> list[int]:
    """The components of the edges of several partitions."""
    table = near_signatures(hashes, np.arange(len(hashes)), bits, distance)
    table = table.set_column(0, "row", table.column("row").cast(pa.int64()))
    of = table.column("key").to_numpy() % np.uint64(partitions)
    parts = [table.take(pa.array(np.flatnonzero(of == p))) for p in range(partitions)]
    edges = pa.concat_tables([link_near_hashes(part, bits, distance) for part in parts if part.num_rows])
    return labels(edges.column("row").to_numpy(), edges.column("kept").to_numpy(), len(hashes))


@pytest.mark.parametrize("distance", [0, 1, 2, 3, 4, 5, 8, 16])
@pytest.mark.parametrize("bits", [64, 36, 100, 256])
def test_all_pairs_within_the_distance_are_linked(bits: int, distance: int) -> None:
    distance = min(distance, bits // 4)
    for changes in {0, distance, 2 * distance}:
        hashes = clustered(700, bits, changes, seed=distance + bits)
        assert found_labels(hashes, bits, distance) == slow_labels(hashes, distance)


SETS = {
    "equal": lambda random: np.zeros((5_000, 8), np.uint8),
    "within 10 bits": lambda random: np.pad(random.integers(0, 4, (5_000, 5), dtype=np.uint8), ((0, 0), (3, 0))),
    "one cluster": lambda random: clustered(5_000, 64, 9, seed=1),
    "the same first half": lambda random: np.pad(random.integers(0, 256, (5_000, 4), dtype=np.uint8), ((0, 0), (4, 0))),
    "the same first or last half": lambda random: np.concatenate(
        [np.pad(random.integers(0, 256, (2_500, 4), dtype=np.uint8), ((0, 0), edge)) for edge in ((4, 0), (0, 4))]
    ),
    "clusters in 24 bits": lambda random: np.pad(clustered(5_000, 24, 4, seed=2), ((0, 0), (2, 3))),
    "two values": lambda random: np.repeat(random.integers(0, 2, (5_000, 1), dtype=np.uint8) * 255, 8, axis=1),
}


@pytest.mark.parametrize("distance", [1, 2, 5, 12])
@pytest.mark.parametrize("name", SETS)
def test_large_groups_have_the_components_of_all_pairs(name: str, distance: int) -> None:
    hashes = SETS[name](np.random.default_rng(5))
    assert found_labels(hashes, 64, distance, partitions=1) == slow_labels(hashes, distance)


@pytest.mark.parametrize("hashes", [np.zeros((5_000, 8), np.uint8), SETS["the same first half"](np.random.default_rng(5))])
def test_hashes_that_are_equal_in_several_blocks_are_compared_in_one(hashes: np.ndarray) -> None:
    table = near_signatures(hashes, np.arange(len(hashes)), 64, 5)
    table, groups = groups_of(table)
    blocks = table.column("block").to_numpy()[groups[:-1]]
    known = _known_elsewhere(words_of(table), groups, blocks, np.array(block_bounds(64, 5)))
    large = np.diff(groups) == len(hashes)
    assert blocks[large & ~known].tolist() == [0]


def test_edges_of_equal_hashes_are_few() -> None:
    table = near_signatures(np.zeros((50_000, 8), np.uint8), np.arange(50_000), 64, 5)
    table = table.set_column(0, "row", table.column("row").cast(pa.int64()))
    assert link_near_hashes(table, 64, 5).num_rows == 49_999


@pytest.mark.parametrize("distance", [0, 3, 9])
def test_a_hash_is_kept_if_no_kept_one_is_near(distance: int) -> None:
    random = np.random.default_rng(distance)
    hashes, always = clustered(300, 64, 6, seed=distance), np.zeros(300, bool)
    always[random.integers(0, 300, 20)] = True
    groups, near = np.array([0, 100, 100, 300]), np.empty(300, np.int64)
    first_kept(words(hashes), groups, always, distance, near)
    for i in range(300):
        earlier = range(0 if i < 100 else 100, i)
        kept = [j for j in earlier if near[j] == -1 and int(np.bitwise_count(hashes[i] ^ hashes[j]).sum()) <= distance]
        assert near[i] == (kept[0] if kept and not always[i] else -1)
