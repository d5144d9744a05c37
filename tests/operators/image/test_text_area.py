"""textArea: the area of lines of text."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from PIL import Image, ImageDraw, ImageFont
from pydantic import ValidationError

from datajob.errors import InvalidJob
from datajob.operators.image.text_area import TextArea
from tests.support.image_results import batch, measure, reasons
from tests.support.pictures import encoded, photo, photo_bytes

_FONT = ImageFont.load_default(40)


def page(lines: int, background: Image.Image | None = None) -> tuple[bytes, float]:
    """An image with lines of text, and the share of their bounding boxes."""
    image = background or Image.new("RGB", (640, 480), "white")
    draw, area = ImageDraw.Draw(image), 0.0
    for line in range(lines):
        place = (40, 20 + 80 * line)
        draw.text(place, "The quick brown fox", fill="black", font=_FONT, stroke_width=2, stroke_fill="white")
        left, top, right, bottom = draw.textbbox(place, "The quick brown fox", font=_FONT)
        area += (right - left) * (bottom - top)
    return encoded(image, "JPEG", quality=95), area / (image.width * image.height)


def test_the_share_is_that_of_the_lines() -> None:
    pages = [page(lines) for lines in (1, 3, 5)]
    # boxes exceed the letters by a margin
    assert measure(TextArea(), *(data for data, _ in pages)) == pytest.approx([1.25 * area for _, area in pages], rel=0.15)
    assert reasons(TextArea(), *(data for data, _ in pages)) == [None, None, "text_area_too_high"]
    assert reasons(TextArea(max=0.01), *(data for data, _ in pages)) == ["text_area_too_high"] * 3


def test_lines_are_counted_on_photos() -> None:
    data, _ = page(3, photo("flower"))
    step = TextArea(unit="boxes", max=2)
    assert measure(step, data, photo_bytes("flower"), photo_bytes("china")) == [3, 0, 0]
    assert reasons(step, data, photo_bytes("flower")) == ["text_boxes_too_high", None]


def test_blank_tiny_and_long_images_have_no_text() -> None:
    sizes = ((1, 1), (1, 4000), (7, 7), (9, 9), (640, 20), (2000, 30), (320, 240))
    images = [encoded(Image.new("RGB", size, color)) for size in sizes for color in ("white", "gray")]
    assert measure(TextArea(), *images) == [0.0] * len(images)
    assert reasons(TextArea(), None, b"text") == ["noMedia", "notAnImage"]


def test_a_missing_package_is_refused_before_the_job_starts() -> None:
    class Missing(TextArea):
        packages: ClassVar[dict[str, str]] = {"rapidocr": "rapidocr", "no_such_module": "some-package"}

    refusal = "`missing` needs Python packages that are not installed: `some-package`.*pip install some-package"
    with pytest.raises(InvalidJob, match=refusal):
        Missing().resolved()
    with pytest.raises(InvalidJob, match=refusal):
        Missing().keep(batch([photo_bytes("china")]))


@pytest.mark.parametrize("step", [{"unit": "boxes"}, {"max": 5}, {"min": 1.5}])
def test_limits_have_the_unit_of_the_measure(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"`unit: boxes`|number of boxes"):
        TextArea.model_validate(step)
