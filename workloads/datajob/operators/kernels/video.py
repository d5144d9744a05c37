"""Frames of video: planes at a smaller size, and differences between frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.types import f32, i32, i64, read, types, u8, u32, void, write

ONE = 1 << 11
"""The weight 1 of a pixel."""
_LINE = 64
"""Bytes of a cache line."""
_BLOCK = 1 << 20
"""Pixels whose differences add up to less than 2^32."""
CELL = 4
"""Side of the cells of a map of motion, in pixels."""
_PLANE = types.Array(u8, 2, "A", readonly=True)
"""Rows of a decoder, which continue behind their last pixel."""


@inline
def _touch(row: Any, first: Any, last: Any) -> Any:
    """Read each cache line of a row: these reads do not wait for each other, and later reads of the row are fast."""
    found = 0
    for x in range(first, last + 1, _LINE):
        found += row[x]
    return found


@kernel(i64(_PLANE, read(u32), read(u32), write(u8, 2)))
def nearest(plane: Any, rows: Any, columns: Any, out: Any) -> Any:
    """The pixels at the points of a grid. What it returns has no meaning."""
    touched = 0
    first, last = np.int64(columns[0]), np.int64(columns[columns.size - 1])
    for y in range(out.shape[0]):
        if y + 1 < out.shape[0]:
            touched += _touch(plane[rows[y + 1]], first, last)
        row, target = plane[rows[y]], out[y]
        for x in range(target.size):
            target[x] = row[columns[x]]
    return touched


@kernel(i64(_PLANE, read(u32), read(i32), read(u32), read(i32), write(u8, 2)))
def linear(plane: Any, rows: Any, down: Any, columns: Any, across: Any, out: Any) -> Any:
    """Interpolation between the pixels at the points of a grid and those behind, which have the weights `down` and `across`.

    What it returns has no meaning.
    """
    touched = 0
    first, last = np.int64(columns[0]), np.int64(columns[columns.size - 1]) + 1
    for y in range(out.shape[0]):
        if y + 1 < out.shape[0]:
            touched += _touch(plane[rows[y + 1]], first, last) + _touch(plane[rows[y + 1] + 1], first, last)
        target, lower = out[y], np.int32(down[y])
        above, below, upper = plane[rows[y]], plane[rows[y] + 1], np.int32(ONE - lower)
        for x in range(target.size):
            at, behind, right = columns[x], np.uint32(columns[x] + 1), across[x]
            left = np.int32(ONE - right)
            high = left * np.int32(above[at]) + right * np.int32(above[behind])
            low = left * np.int32(below[at]) + right * np.int32(below[behind])
            target[x] = np.uint8(np.int32(upper * high + lower * low + np.int32(1 << 21)) >> 22)
    return touched


@kernel(i64(read(u8), read(u8)))
def difference(one: Any, other: Any) -> Any:
    """The sum of the absolute differences. Narrow types and slices let LLVM vectorize."""
    total = np.int64(0)
    for start in range(0, one.size, _BLOCK):
        left, right = one[start : start + _BLOCK], other[start : start + _BLOCK]
        part = np.uint32(0)
        for i in range(left.size):
            part = np.uint32(part + np.uint32(np.uint16(abs(np.int16(np.int16(left[i]) - np.int16(right[i]))))))
        total += np.int64(part)
    return total


@kernel(i64(read(u8), i64))
def dark(luma: Any, level: Any) -> Any:
    """The number of pixels up to a level."""
    limit = np.uint8(level)
    found = np.int32(0)
    for i in range(luma.size):
        found = np.int32(found + np.int32(luma[i] <= limit))
    return np.int64(found)


@inline
def _byte(value: Any) -> Any:
    return np.int32(min(np.int32(255), max(np.int32(0), value)))


@kernel(void(read(u8), read(u8), read(u8), read(i32), write(u8, 2)))
def hsv(luma: Any, blue: Any, red: Any, c: Any, out: Any) -> None:
    """Hue, saturation, and value of pixels as in `cv2.COLOR_BGR2HSV`, from luma and the two color differences.

    `c`: black, and the factors (in 2^-16) of luma, red to red, blue and red to green, and blue to blue.
    """
    black, gain, rr, bg, rg, bb = c[0], c[1], c[2], c[3], c[4], c[5]
    hue, saturation, value = out[0], out[1], out[2]
    half = np.int32(1 << 15)
    for i in range(luma.size):
        y = gain * (np.int32(luma[i]) - black) + half
        u, v = np.int32(blue[i]) - np.int32(128), np.int32(red[i]) - np.int32(128)
        r = _byte(np.int32(y + rr * v) >> 16)
        g = _byte(np.int32(y - bg * u - rg * v) >> 16)
        b = _byte(np.int32(y + bb * u) >> 16)
        high = max(r, g, b)
        span = np.int32(high - min(r, g, b))
        by_high = np.int32(np.rint(np.float32(1044480) / np.float32(max(high, np.int32(1)))))
        by_span = np.int32(np.rint(np.float32(122880) / np.float32(max(span, np.int32(1)))))
        turn = np.int32(g - b) if high == r else np.int32(b - r + 2 * span) if high == g else np.int32(r - g + 4 * span)
        turn = np.int32(turn * by_span + 2048) >> 12
        hue[i] = np.uint8(turn + 180 if turn < 0 else turn)
        saturation[i] = np.uint8(np.int32(span * by_high + 2048) >> 12)
        value[i] = np.uint8(high)


@kernel(void(read(i32, 2), read(f32), write(f32, 2)))
def paint(blocks: Any, magnitudes: Any, cells: Any) -> None:
    """Write the magnitude of each block (the x and y of its center, width, and height) to its cells. The last block wins."""
    height, width = cells.shape
    for i in range(blocks.shape[0]):
        x, y, across, down = blocks[i, 0], blocks[i, 1], blocks[i, 2], blocks[i, 3]
        left, top = (x - across // 2) // CELL, (y - down // 2) // CELL
        for row in range(max(0, top), min(height, top + max(1, down // CELL))):
            for column in range(max(0, left), min(width, left + max(1, across // CELL))):
                cells[row, column] = magnitudes[i]
