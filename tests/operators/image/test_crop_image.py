"""cropImage: the part that remains."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from datajob.operators.image.crop_image import CropImage
from tests.support.image_results import change
from tests.support.pictures import encoded, photo

CHINA = encoded(photo("china"))


@pytest.mark.parametrize(
    ("step", "box"),
    [
        ({"box": [10, 20, 110, 80]}, (10, 20, 110, 80)),
        ({"box": [600, 400, 900, 900]}, (600, 400, 640, 427)),
        ({"aspect": 1}, (106, 0, 533, 427)),
        ({"aspect": 1, "anchor": "left"}, (0, 0, 427, 427)),
        ({"aspect": 1, "anchor": "right"}, (213, 0, 640, 427)),
        ({"aspect": 4, "anchor": "top"}, (0, 0, 640, 160)),
        ({"aspect": 4, "anchor": "bottom"}, (0, 267, 640, 427)),
        ({"aspect": 0.001}, (319, 0, 320, 427)),
    ],
)
def test_the_part_has_the_pixels_of_the_image(step: dict[str, Any], box: tuple[int, int, int, int]) -> None:
    [found] = change(CropImage.model_validate(step), CHINA)
    with Image.open(io.BytesIO(found)) as opened:
        assert np.array_equal(np.asarray(opened), np.asarray(photo("china").crop(box)))


def test_coordinates_are_those_of_the_displayed_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    [found] = change(CropImage(box=(0, 0, 20, 30)), encoded(photo("china"), exif=exif))
    with Image.open(io.BytesIO(found)) as opened:
        expected = photo("china").transpose(Image.Transpose.ROTATE_270).crop((0, 0, 20, 30))
        assert np.array_equal(np.asarray(opened), np.asarray(expected))


def test_the_whole_image_keeps_its_file_and_an_image_outside_of_the_box_fails() -> None:
    assert change(CropImage(box=(0, 0, 640, 427)), CHINA) == [CHINA]
    assert change(CropImage(aspect=640 / 427), CHINA) == [CHINA]
    assert change(CropImage(box=(640, 0, 700, 10)), CHINA, b"") == ["outsideImage", "empty"]


@pytest.mark.parametrize(
    "step", [{}, {"box": [0, 0, 1, 1], "aspect": 1}, {"box": [5, 0, 5, 1]}, {"box": [-1, 0, 5, 1]}, {"aspect": 0}]
)
def test_a_part_is_required(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CropImage.model_validate(step)
