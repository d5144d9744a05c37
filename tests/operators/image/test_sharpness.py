"""sharpness: the variance of the Laplacian."""

from __future__ import annotations

import cv2
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageFilter

from datajob.operators.base import Batch
from datajob.operators.image.sharpness import Sharpness
from tests.support.pictures import encoded, photo, photo_bytes


def measured(step: Sharpness, *images: bytes) -> list[float]:
    batch = Batch(pa.table({"image": list(images)}))
    found: list[float] = step.measures(batch)["sharpness"].tolist()
    return found


@pytest.mark.parametrize("name", ["china", "flower", "face"])
def test_the_whole_image_has_the_value_of_opencv(name: str) -> None:
    gray = cv2.imdecode(np.frombuffer(photo_bytes(name), np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    [found] = measured(Sharpness(side=None), photo_bytes(name))
    assert found == pytest.approx(cv2.Laplacian(gray, cv2.CV_64F).var(), rel=1e-9)


def test_a_reduced_image_is_reduced_from_its_full_size() -> None:
    gray = cv2.imdecode(np.frombuffer(photo_bytes("china"), np.uint8), cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(gray, (128, 85), interpolation=cv2.INTER_AREA)
    [found] = measured(Sharpness(side=128), photo_bytes("china"))
    assert found == pytest.approx(cv2.Laplacian(small, cv2.CV_64F).var(), rel=1e-9)


def test_a_blurred_photo_is_less_sharp_and_is_rejected() -> None:
    blurred = encoded(photo("china").filter(ImageFilter.GaussianBlur(5)), "JPEG", quality=95)
    sharp, soft = measured(Sharpness(), photo_bytes("china"), blurred)
    assert soft < 100 < sharp
    verdict = Sharpness(output="s").keep(Batch(pa.table({"image": [photo_bytes("china"), blurred]})))
    assert (verdict.codes.tolist(), verdict.reasons) == ([0, 1], ("sharpness_too_low",))
    assert verdict.columns["s"].to_pylist() == [sharp, soft]


def test_an_image_of_one_pixel_has_no_detail() -> None:
    assert measured(Sharpness(), encoded(Image.new("RGB", (1, 1)), "PNG")) == [0.0]
