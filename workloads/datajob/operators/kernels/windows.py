"""Rolling hashes of runs of words, and a selection of them by winnowing (Schleimer, Wilkerson, Aiken 2003)."""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.jit import kernel
from datajob.operators.kernels.types import i64, read, types, u64, write
from datajob.operators.kernels.utf8 import MIX, SHIFT


@kernel(i64(read(u64), read(i64), i64, write(i64), write(u64)))
def window_hashes(words: Any, rows: Any, size: int, bounds: Any, hashes: Any) -> Any:
    """The hashes of all runs of `size` words of each row, in order; row i has the words `rows[i]:rows[i + 1]`.

    The hashes of row i are `hashes[bounds[i]:bounds[i + 1]]`; returns their number.
    """
    leading = np.uint64(1)
    for _ in range(size - 1):
        leading *= MIX
    filled = np.int64(0)
    bounds[0] = 0
    for row in range(rows.size - 1):
        h = np.uint64(0)
        first = rows[row]
        for i in range(first, rows[row + 1]):
            h = h * MIX + words[i]
            if i - first >= size - 1:
                mixed = (h ^ (h >> SHIFT)) * MIX
                hashes[filled] = mixed ^ (mixed >> SHIFT)
                filled += 1
                h -= leading * words[i - size + 1]
        bounds[row + 1] = filled
    return filled


@kernel(i64(read(u64), read(i64), i64, write(i64), write(u64)))
def winnow(hashes: Any, bounds: Any, span: int, rows: Any, chosen: Any) -> Any:
    """Select the smallest of every `span` consecutive hashes of each row, with its row; returns their number.

    Two rows with the same `span` consecutive hashes have a common selected hash.
    """
    filled = np.int64(0)
    for row in range(bounds.size - 1):
        first, end = bounds[row], bounds[row + 1]
        at: Any = np.int64(-1)
        for last in range(first + span - 1, end):
            start = last - span + 1
            if at >= start and hashes[last] > hashes[at]:
                continue
            if at >= start:
                at = last
            else:
                at = start
                for i in range(start + 1, last + 1):
                    if hashes[i] <= hashes[at]:
                        at = i
            rows[filled], chosen[filled] = row, hashes[at]
            filled += 1
    return filled


@kernel(i64(read(types.uint8), read(i64), read(i64), read(i64), read(i64), write(types.uint8), write(i64)))
def cut_out(data: Any, offsets: Any, rows: Any, starts: Any, ends: Any, target: Any, bounds: Any) -> Any:
    """The texts without the ascending, disjoint ranges `starts[i]:ends[i]` of row `rows[i]`; returns the size."""
    size = piece = 0
    for row in range(offsets.size - 1):
        bounds[row] = size
        at, stop = offsets[row], offsets[row + 1]
        while at < stop:
            end = stop
            following = at
            if piece < rows.size and rows[piece] == row:
                end, following = starts[piece], ends[piece]
                piece += 1
            else:
                following = stop
            for i in range(at, end):
                target[size] = data[i]
                size += 1
            at = following
    bounds[offsets.size - 1] = size
    return size
