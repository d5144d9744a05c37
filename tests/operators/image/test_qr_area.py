"""qrArea: the area of QR codes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from datajob.operators.image.qr_area import QrArea
from tests.support.image_results import measure, reasons
from tests.support.pictures import PHOTOS, encoded, photo, photo_bytes


def with_codes(*places: tuple[int, int]) -> bytes:
    """A photo with QR codes of 150 x 150 pixels in white frames."""
    image = photo("china")
    for number, place in enumerate(places):
        code = np.pad(cv2.QRCodeEncoder.create().encode(f"https://example.com/{number}"), 2, constant_values=255)
        image.paste(Image.fromarray(np.kron(code, np.ones((6, 6), np.uint8))).convert("RGB"), place)
    return encoded(image, "JPEG", quality=90)


def test_the_share_is_that_of_all_codes() -> None:
    one, two = with_codes((10, 10)), with_codes((10, 10), (400, 200))
    area = 150 * 150 / (640 * 427)
    assert measure(QrArea(), one, two) == pytest.approx([area, 2 * area], rel=0.05)
    assert reasons(QrArea(max=0.1), one, two) == [None, "qr_area_too_high"]
    assert reasons(QrArea(max=0.01), one, two) == ["qr_area_too_high"] * 2


def test_photos_and_tiny_images_have_no_codes() -> None:
    tiny = [encoded(Image.new("RGB", size)) for size in ((1, 1), (1, 300), (30, 30))]
    assert measure(QrArea(), *map(photo_bytes, PHOTOS), *tiny) == [0.0] * (len(PHOTOS) + 3)
    assert reasons(QrArea(), b"text") == ["notAnImage"]


def test_the_whole_image_has_the_share_of_nemo_curator() -> None:
    image = with_codes((10, 10))
    gray = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_GRAYSCALE)
    _, _, corners, _ = cv2.QRCodeDetector().detectAndDecodeMulti(gray)
    assert measure(QrArea(side=None), image) == [pytest.approx(cv2.contourArea(corners[0]) / gray.size)]
