"""Sums over the luma of an image, in one pass each."""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.types import f32, i64, read, u8, void, write

LEVELS = 256
_BLOCK = 1024
"""Columns whose squares add up to less than 2^31: a Laplacian is at most 4 x 255."""


@kernel(void(read(u8, 2), write(i64, 2)))
def histogram(luma: Any, counts: Any) -> None:
    """Count the pixels of each level. `counts` has 4 x 256 zeros, which share the pixels to avoid dependent additions."""
    width = luma.shape[1]
    even = width // 4 * 4
    for y in range(luma.shape[0]):
        for x in range(0, even, 4):
            counts[0, luma[y, x]] += 1
            counts[1, luma[y, x + 1]] += 1
            counts[2, luma[y, x + 2]] += 1
            counts[3, luma[y, x + 3]] += 1
        for x in range(even, width):
            counts[0, luma[y, x]] += 1


@inline
def _second_difference(before: Any, here: Any, after: Any) -> Any:
    return np.int32(before) + np.int32(after) - np.int32(2) * np.int32(here)


@inline
def _inner_sums(row: Any, above: Any, below: Any) -> Any:
    """The sums of the Laplacian and of its square without the first and the last pixel of `row`; slices let LLVM vectorize."""
    left, here, right = row[: above.size], row[1 : 1 + above.size], row[2 : 2 + above.size]
    part, square = np.int32(0), np.int32(0)
    for x in range(above.size):
        value = _second_difference(above[x], here[x], below[x]) + _second_difference(left[x], here[x], right[x])
        part = np.int32(part + value)
        square = np.int32(square + value * value)
    return part, square


@kernel(void(read(u8, 2), write(i64)))
def laplacian_sums(luma: Any, sums: Any) -> None:
    """The sum of the Laplacian (0 1 0, 1 -4 1, 0 1 0; borders are reflected without the edge) and of its square."""
    height, width = luma.shape
    total, squares = np.int64(0), np.int64(0)
    for y in range(height):
        above = luma[abs(y - 1) if height > 1 else 0]
        below = luma[y + 1 if y + 1 < height else max(height - 2, 0)]
        row = luma[y]
        for x in (0, width - 1):
            left, right = row[abs(x - 1) if width > 1 else 0], row[x + 1 if x + 1 < width else max(width - 2, 0)]
            if x == 0 or width > 1:
                value = np.int64(_second_difference(above[x], row[x], below[x]) + _second_difference(left, row[x], right))
                total += value
                squares += value * value
            if width == 1:
                break
        for start in range(1, width - 1, _BLOCK):
            end = min(start + _BLOCK, width - 1)
            part, square = _inner_sums(row[start - 1 : end + 1], above[start:end], below[start:end])
            total += part
            squares += square
    sums[0], sums[1] = total, squares


@kernel(void(read(u8, 2), read(i64), read(f32, 2), write(f32, 2)))
def weighted_rows(luma: Any, first: Any, weights: Any, out: Any) -> None:
    """`out[i]`, which is zero before, becomes the sum of `weights[i, k]` times row `first[i] + k` of `luma`."""
    height, width = luma.shape
    for i in range(out.shape[0]):
        target = out[i]
        for k in range(weights.shape[1]):
            weight, y = weights[i, k], first[i] + k
            if weight != 0 and y < height:
                source = luma[y]
                for x in range(width):
                    target[x] += weight * np.float32(source[x])
