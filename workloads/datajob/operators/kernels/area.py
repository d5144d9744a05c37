"""Reduces an image by averaging areas: each new pixel is the mean of the pixels that it covers, in proportion."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from datajob.operators.kernels.jit import helper, kernel
from datajob.operators.kernels.types import f32, i64, read, u8, void, write

if TYPE_CHECKING:
    from numpy.typing import NDArray


@helper
def _add_row(source: Any, weight: Any, row: Any) -> None:
    for x in range(row.size):
        row[x] += weight * np.float32(source[x])


@helper
def _gray_row(row: Any, left: Any, across: Any, out: Any) -> None:
    for x in range(out.size):
        total, at = np.float32(0.5), left[x]
        for k in range(across.shape[1]):
            total += across[x, k] * row[at + k]
        out[x] = np.uint8(total)


@helper
def _rgb_row(row: Any, left: Any, across: Any, out: Any) -> None:
    for x in range(left.size):
        red = green = blue = np.float32(0.5)
        at = 3 * left[x]
        for k in range(across.shape[1]):
            weight = across[x, k]
            red += weight * row[at]
            green += weight * row[at + 1]
            blue += weight * row[at + 2]
            at += 3
        out[3 * x], out[3 * x + 1], out[3 * x + 2] = np.uint8(red), np.uint8(green), np.uint8(blue)


@kernel(void(read(u8, 2), read(i64), read(f32, 2), read(i64), read(f32, 2), write(f32), write(u8, 2)))
def _reduce(pixels: Any, top: Any, down: Any, left: Any, across: Any, row: Any, out: Any) -> None:
    """Row by row: add up the rows that a new row covers, then the columns. `row` is a buffer for a row of `pixels`."""
    for y in range(out.shape[0]):
        row[:] = 0
        for k in range(down.shape[1]):
            if down[y, k] != 0:
                _add_row(pixels[top[y] + k], down[y, k], row)
        if out.shape[1] == left.size:
            _gray_row(row, left, across, out[y])
        else:
            _rgb_row(row, left, across, out[y])


def reduced(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """An image (height x width, or height x width x 3) at a size that is not larger.

    The result is that of `cv2.resize` with INTER_AREA, except for rounding by 1.
    """
    rows = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1)
    found = np.empty((height, width * (rows.shape[1] // pixels.shape[1])), np.uint8)
    top, down = _covered(pixels.shape[0], height)
    left, across = _covered(pixels.shape[1], width)
    _reduce(rows, top, down, left, across, np.empty(rows.shape[1], np.float32), found)
    return found.reshape(height, width, *pixels.shape[2:])


@lru_cache(maxsize=64)
def _covered(before: int, after: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each of `after` pixels, the first of `before` pixels that it covers, and the weights of those from it on."""
    scale = before / after
    edges = np.arange(after + 1) * scale
    taps = min(int(np.ceil(scale)) + 1, before)
    first = np.minimum(np.floor(edges[:-1]).astype(np.int64), before - taps)
    places = first[:, None] + np.arange(taps)
    weights = np.minimum(places + 1, edges[1:, None]) - np.maximum(places, edges[:-1, None])
    return first, (np.maximum(weights, 0) / scale).astype(np.float32)
