"""contrast: the standard deviation of the luma."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from datajob.operators.image.contrast import Contrast
from tests.support.image_results import measure, reasons
from tests.support.pictures import PHOTOS, encoded, luma, photo, photo_bytes


@pytest.mark.parametrize("name", PHOTOS)
def test_the_contrast_of_a_photo_is_its_standard_deviation(name: str) -> None:
    assert measure(Contrast(), photo_bytes(name)) == [pytest.approx(luma(photo(name)).std() / 255, abs=0.02)]


def test_flat_images_are_rejected() -> None:
    flat = encoded(Image.fromarray(np.tile(np.array([100, 108], np.uint8), (10, 10))))
    halves = encoded(Image.fromarray(np.tile(np.array([0, 255], np.uint8), (10, 10))))
    assert measure(Contrast(), flat, halves) == pytest.approx([4 / 255, 0.5])
    assert reasons(Contrast(), flat, halves) == ["contrast_too_low", None]
    assert reasons(Contrast(min=None, max=0.4), flat, halves) == [None, "contrast_too_high"]
