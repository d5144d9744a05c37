"""brightness: the mean of the luma."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from datajob.operators.image.brightness import Brightness
from tests.support.image_results import measure, reasons
from tests.support.pictures import PHOTOS, encoded, luma, photo, photo_bytes

PLAIN = {level: encoded(Image.new("L", (30, 20), level)) for level in (0, 10, 11, 128, 244, 245, 255)}


@pytest.mark.parametrize("name", PHOTOS)
def test_the_brightness_of_a_photo_is_its_mean(name: str) -> None:
    assert measure(Brightness(), photo_bytes(name)) == [pytest.approx(luma(photo(name)).mean() / 255, abs=0.002)]


def test_black_and_white_are_rejected() -> None:
    found = [
        None if level in (11, 128, 244) else "brightness_too_low" if level < 99 else "brightness_too_high" for level in PLAIN
    ]
    assert reasons(Brightness(), *PLAIN.values()) == found
    assert reasons(Brightness(min=None, max=None), *PLAIN.values()) == [None] * len(PLAIN)
    assert measure(Brightness(), *PLAIN.values()) == pytest.approx(np.array(list(PLAIN)) / 255)
