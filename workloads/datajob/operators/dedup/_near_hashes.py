"""Finds all pairs of hashes within a Hamming distance, across partitions.

The bits are divided into pairs of blocks, half as many pairs as bits may differ, plus one. At least one pair then differs in
at most one bit, so one of its two blocks is equal: equal blocks are the keys that meet in one partition (the pigeonhole
principle; Norouzi, Punjani and Fleet 2012, Fast Search in Hamming Space with Multi-Index Hashing). Within a partition, the
other block of the pair divides the hashes further.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_WORD = 64
_WORDS = "word"


def block_bounds(bits: int, distance: int) -> list[int]:
    """The first bit of each block, and the number of bits. There is a single block if hashes must be equal."""
    blocks = 2 * (distance // 2 + 1) if distance else 1
    return [bits * block // blocks for block in range(blocks + 1)]


def near_signatures(hashes: NDArray[np.uint8], rows: NDArray[np.int64], bits: int, distance: int) -> pa.Table:
    """A signature per block for each hash (an array of bytes per row) at the positions `rows`."""
    import numpy as np
    import pyarrow as pa

    from datajob.operators.dedup._linking import key_table, mixed
    from datajob.operators.media.hashes import words

    bounds = block_bounds(bits, distance)
    blocks = len(bounds) - 1
    keys = np.empty((len(hashes), blocks), np.uint64)
    every = np.unpackbits(hashes, axis=1)
    for block in range(blocks):
        part = every[:, bounds[block] : min(bounds[block + 1], bounds[block] + _WORD)]
        keys[:, block] = mixed(words(np.packbits(part, axis=1))[:, 0] if part.size else np.zeros(len(hashes), np.uint64), block)
    table = key_table(keys, rows)
    table = table.append_column("block", pa.array(np.tile(np.arange(blocks, dtype=np.uint8), len(hashes))))
    return with_words(table, np.repeat(words(hashes), blocks, axis=0))


def link_near_hashes(signatures: pa.Table, bits: int, distance: int) -> pa.Table:
    """Edges between rows with the same components as all pairs of hashes within the distance."""
    import numpy as np
    import pyarrow as pa

    from datajob.operators.dedup._linking import groups_of
    from datajob.operators.kernels.hamming import link_near

    signatures, groups = groups_of(signatures)
    rows, hashes = signatures.column("row").to_numpy(), words_of(signatures)
    bounds = np.array(block_bounds(bits, distance))
    blocks = signatures.column("block").to_numpy()[groups[:-1]].astype(np.int64)
    other = np.minimum(blocks ^ 1, len(bounds) - 2)
    links = np.empty(len(rows), np.int64)
    known = _known_elsewhere(hashes, groups, blocks, bounds)
    link_near(hashes, bits, groups, known, bounds[other], bounds[other + 1] - bounds[other], distance, links)
    found = np.flatnonzero(links != np.arange(len(links)))
    pairs = np.unique(np.stack([rows[found], rows[links[found]]], axis=1), axis=0)
    return pa.table({"row": pa.array(pairs[:, 0]), "kept": pa.array(pairs[:, 1])})


def _known_elsewhere(
    hashes: NDArray[np.uint64], groups: NDArray[np.int64], blocks: NDArray[np.int64], bounds: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether all hashes of a large group are equal in an earlier block, too: the group of that block contains all of them.

    Otherwise, hashes that are equal in several blocks would be compared in each of them. Small groups compare only pairs that
    are near in the other block of the pair, so they are not complete.
    """
    import numpy as np

    from datajob.operators.kernels.hamming import LARGE
    from datajob.operators.media.hashes import words

    if not len(hashes):
        return np.zeros(0, bool)
    large = np.diff(groups) > LARGE
    first = np.repeat(groups[:-1], np.diff(groups))
    differ = np.bitwise_or.reduceat(hashes ^ hashes[first], groups[:-1], axis=0)
    known = np.zeros(len(blocks), bool)
    for block in range(len(bounds) - 1):
        inside = np.zeros((1, -(-int(bounds[-1]) // 8) * 8), np.uint8)
        inside[:, bounds[block] : bounds[block + 1]] = 1
        known |= large & (blocks > block) & ~(differ & words(np.packbits(inside, axis=1))).any(axis=1)
    return known


def with_words(table: pa.Table, hashes: NDArray[np.uint64]) -> pa.Table:
    """The table with columns for the words of hashes."""
    import pyarrow as pa

    for word in range(hashes.shape[1]):
        table = table.append_column(f"{_WORDS}{word}", pa.array(hashes[:, word]))
    return table


def words_table(hashes: NDArray[np.uint8]) -> pa.Table:
    """Hashes as columns of 64-bit words."""
    import pyarrow as pa

    from datajob.operators.media.hashes import words

    found = words(hashes)
    return with_words(pa.table({"hashed": pa.nulls(len(found))}), found).drop_columns(["hashed"])


def words_of(table: pa.Table) -> NDArray[np.uint64]:
    """The words of the hashes in a table, one row per hash."""
    import numpy as np

    names = [name for name in table.column_names if name.startswith(_WORDS)]
    return np.stack([table.column(name).to_numpy() for name in names], axis=1)
