"""aspectRatio: the shape of the displayed image."""

from __future__ import annotations

import pytest
from PIL import Image

from datajob.operators.image.aspect_ratio import AspectRatio
from tests.support.image_results import measure, reasons
from tests.support.pictures import encoded

WIDE, TALL, SQUARE = (encoded(Image.new("RGB", size), "JPEG") for size in ((400, 100), (100, 400), (300, 300)))
EXIF = Image.Exif()
EXIF[0x0112] = 8
TURNED = encoded(Image.new("RGB", (400, 100)), "JPEG", exif=EXIF)


@pytest.mark.parametrize(
    ("step", "ratios", "decisions"),
    [
        ({}, [4, 0.25, 1, 0.25], ["aspect_ratio_too_high", "aspect_ratio_too_low", None, "aspect_ratio_too_low"]),
        ({"symmetric": True}, [4, 4, 1, 4], ["aspect_ratio_too_high", "aspect_ratio_too_high", None, "aspect_ratio_too_high"]),
        ({"min": 0.25, "max": 4}, [4, 0.25, 1, 0.25], [None] * 4),
        ({"min": None, "max": None}, [4, 0.25, 1, 0.25], [None] * 4),
    ],
)
def test_limits_are_inclusive_and_apply_to_the_displayed_image(step: dict, ratios: list[float], decisions: list) -> None:
    operator = AspectRatio.model_validate(step)
    assert measure(operator, WIDE, TALL, SQUARE, TURNED) == ratios
    assert reasons(operator, WIDE, TALL, SQUARE, TURNED) == decisions
