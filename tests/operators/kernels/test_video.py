"""Kernels of frames equal OpenCV's functions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from datajob.media.small_frames import resampled
from datajob.operators.kernels import video

RANDOM = np.random.default_rng(20)


def pixels(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape).astype(np.uint8)


def test_all_hues_saturations_and_values_equal_those_of_opencv() -> None:
    factors = np.array([0, 65536, 0, 0, 0, 0], np.int32)
    gray = np.arange(256, dtype=np.uint8)
    found = np.empty((3, 256), np.uint8)
    video.hsv(gray, gray, gray, factors, found)
    assert found[0].max() == found[1].max() == 0
    assert (found[2] == gray).all()

    luma, blue, red = pixels(3, 200_000)
    factors = np.array([16, 76309, 104597, 25675, 53279, 132201], np.int32)
    found = np.empty((3, luma.size), np.uint8)
    video.hsv(luma, blue, red, factors, found)
    assert (found == cv2.cvtColor(bgr(luma, blue, red, factors)[None], cv2.COLOR_BGR2HSV)[0].T).all()


def bgr(luma: np.ndarray, blue: np.ndarray, red: np.ndarray, factors: np.ndarray) -> np.ndarray:
    black, gain, rr, bg, rg, bb = factors.tolist()
    y = gain * (luma.astype(np.int64) - black) + (1 << 15)
    u, v = blue.astype(np.int64) - 128, red.astype(np.int64) - 128
    return np.stack([np.clip(c >> 16, 0, 255) for c in (y + bb * u, y - bg * u - rg * v, y + rr * v)], axis=1).astype(np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "new_height", "new_width"),
    [(720, 1280, 144, 256), (1080, 1920, 144, 256), (243, 517, 120, 256), (2, 2, 1, 1), (48, 64, 96, 70), (5, 7, 5, 3)],
)
def test_resampled_planes_equal_those_of_opencv_up_to_rounding(
    height: int, width: int, new_height: int, new_width: int
) -> None:
    plane = pixels(height, width + 13)[:, :width]  # the rows of a decoder continue behind their last pixel
    expected = cv2.resize(np.ascontiguousarray(plane), (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    assert np.abs(resampled(plane, new_width, new_height).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_planes_of_one_row_or_column_are_resampled(shape: tuple[int, int]) -> None:
    plane = pixels(*shape)
    assert resampled(plane, 3, 3).shape == (3, 3)
    assert set(resampled(plane, 3, 3).ravel().tolist()) <= set(range(int(plane.min()), int(plane.max()) + 1))


@pytest.mark.parametrize("size", [0, 1, 31, 36_864, (1 << 20) + 7])
def test_differences_and_dark_pixels_are_exact(size: int) -> None:
    one, other = pixels(2, size)
    assert video.difference(one, other) == np.abs(one.astype(np.int64) - other).sum()
    assert video.dark(one, 37) == (one <= 37).sum()
    assert video.difference(np.zeros(size, np.uint8), np.full(size, 255, np.uint8)) == 255 * size


def test_blocks_are_painted_around_their_centers_and_within_the_frame() -> None:
    cells = np.zeros((4, 6), np.float32)
    blocks = np.array([[8, 8, 16, 16], [20, 4, 8, 8], [-30, -30, 8, 8], [24, 16, 16, 16]], np.int32)
    video.paint(blocks, np.array([1, 2, 9, 3], np.float32), cells)
    assert cells.tolist() == [[1, 1, 1, 1, 2, 2], [1, 1, 1, 1, 2, 2], [1, 1, 1, 1, 3, 3], [1, 1, 1, 1, 3, 3]]
