"""imageSize: limits on the displayed size."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from PIL import Image
from pydantic import ValidationError

from datajob.media.isolation import runner
from datajob.operators.base import Batch
from datajob.operators.image.image_size import ImageSize
from tests.support.pictures import encoded


def picture(width: int, height: int, kind: str = "JPEG", **options: Any) -> bytes:
    return encoded(Image.new("RGB", (width, height), "teal"), kind, **options)


def turned(width: int, height: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(width, height, exif=exif)


@pytest.mark.parametrize(
    ("limits", "width", "height", "reason"),
    [
        ({}, 1, 1, None),
        ({"minSide": 200}, 200, 300, None),
        ({"minSide": 200}, 300, 199, "shorter_side_too_low"),
        ({"maxSide": 300}, 300, 20, None),
        ({"maxSide": 300}, 20, 301, "longer_side_too_high"),
        ({"minPixels": 100}, 10, 10, None),
        ({"minPixels": 101}, 10, 10, "pixels_too_low"),
        ({"maxPixels": 99}, 10, 10, "pixels_too_high"),
    ],
)
def test_limits_are_inclusive(limits: dict[str, int], width: int, height: int, reason: str | None) -> None:
    verdict = ImageSize.model_validate(limits).keep(Batch(pa.table({"image": [picture(width, height)]})))
    found = None if verdict.codes[0] == 0 else verdict.reasons[verdict.codes[0] - 1]
    assert found == reason


def test_the_size_is_that_of_the_displayed_image() -> None:
    batch = Batch(pa.table({"image": [turned(30, 20), picture(30, 20)]}))
    assert ImageSize(output="side").keep(batch).columns["side"].to_pylist() == [20.0, 20.0]
    assert ImageSize().measures(batch)["longer_side"].tolist() == [30.0, 30.0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_no_process_is_started_to_read_headers(kind: str) -> None:
    runner.close()
    assert ImageSize(min_side=5).keep(Batch(pa.table({"image": [picture(4, 9, kind)]}))).codes.tolist() == [1]
    assert runner.child_pid() is None


@pytest.mark.parametrize("limits", [{"minSide": 3, "maxSide": 2}, {"minPixels": 3, "maxPixels": 2}, {"minSide": 0}])
def test_limits_that_nothing_fits_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        ImageSize.model_validate(limits)
