"""blankImage: the share of similar levels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from datajob.operators.image.blank_image import BlankImage
from tests.support.image_results import measure, reasons
from tests.support.pictures import PHOTOS, encoded, luma, photo, photo_bytes

WHITE = Image.new("RGB", (100, 100), "white")


def test_photos_are_kept_and_blank_images_are_rejected() -> None:
    dotted, half = WHITE.copy(), WHITE.copy()
    dotted.paste("black", (0, 0, 9, 9))
    half.paste("black", (0, 0, 50, 100))
    noisy = Image.fromarray(np.random.default_rng(1).integers(126, 130, (100, 100), dtype=np.uint8))
    images = [encoded(image) for image in (WHITE, dotted, half, noisy)]
    assert measure(BlankImage(), *images) == [1.0, 0.9919, 0.5, 1.0]
    assert reasons(BlankImage(), *images) == ["blank_image_too_high", "blank_image_too_high", None, "blank_image_too_high"]
    assert reasons(BlankImage(), *map(photo_bytes, PHOTOS)) == [None] * len(PHOTOS)


@pytest.mark.parametrize("name", PHOTOS)
def test_the_share_is_that_of_the_most_frequent_levels(name: str) -> None:
    levels = luma(photo(name)).ravel()
    most = max(int(np.bincount((levels.astype(int) + shift) // 8).max()) for shift in (0, 4))
    assert measure(BlankImage(), photo_bytes(name)) == [pytest.approx(most / levels.size, abs=0.05)]
