"""entropy: the entropy of the luma."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from datajob.operators.image.entropy import Entropy
from tests.support.image_results import measure, reasons
from tests.support.pictures import PHOTOS, encoded, photo, photo_bytes


@pytest.mark.parametrize("name", PHOTOS)
def test_the_entropy_of_a_photo_is_that_of_pillow(name: str) -> None:
    assert measure(Entropy(), photo_bytes(name)) == [pytest.approx(photo(name).convert("L").entropy(), abs=0.1)]


def test_limits_are_optional() -> None:
    plain, two = encoded(Image.new("L", (8, 8))), encoded(Image.fromarray(np.tile(np.array([0, 255], np.uint8), (10, 10))))
    assert measure(Entropy(), plain, two) == [0.0, 1.0]
    assert reasons(Entropy(), plain, two) == [None, None]
    assert reasons(Entropy(min=1), plain, two) == ["entropy_too_low", None]
    assert reasons(Entropy(max=0.5), plain, two) == [None, "entropy_too_high"]
