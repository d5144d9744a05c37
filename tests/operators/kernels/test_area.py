"""Images reduced by averaging areas, compared with exact arithmetic and with OpenCV."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from datajob.operators.kernels.area import reduced
from tests.support.pictures import photo


def exact(values: list[int], size: int) -> list[Fraction]:
    """The mean of the values that each of `size` new values covers."""
    scale = Fraction(len(values), size)
    found = []
    for new in range(size):
        start, end = new * scale, (new + 1) * scale
        total = sum(max(min(end, at + 1) - max(start, at), Fraction(0)) * value for at, value in enumerate(values))
        found.append(total / scale)
    return found


@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 1), (7, 3), (640, 336), (641, 640), (1000, 1)])
def test_each_pixel_is_the_mean_of_those_that_it_covers(before: int, after: int) -> None:
    values = np.random.default_rng(before).integers(0, 256, before).astype(np.uint8)
    means = [float(mean) for mean in exact(values.tolist(), after)]
    for pixels, size in ((values[None, :], (after, 1)), (values[:, None], (1, after))):
        assert np.abs(reduced(np.ascontiguousarray(pixels), *size).ravel() - means).max() <= 0.51


@pytest.mark.parametrize("seed", range(20))
def test_images_are_those_of_opencv_up_to_rounding(seed: int) -> None:
    draw = np.random.default_rng(seed)
    before, shares = draw.integers(1, 700, 2), draw.uniform(0.01, 1, 2)
    width, height = (max(1, round(side * share)) for side, share in zip(before.tolist(), shares.tolist(), strict=True))
    pixels = np.asarray(photo("china").resize(tuple(before.tolist())))
    for part in (pixels, np.ascontiguousarray(pixels[:, :, 1])):
        found = reduced(part, width, height)
        assert found.shape == (height, width, *part.shape[2:])
        assert np.abs(found.astype(int) - cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)).max() <= 1


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
def test_plain_images_keep_their_level(level: int) -> None:
    assert (reduced(np.full((481, 643, 3), level, np.uint8), 336, 250) == level).all()
