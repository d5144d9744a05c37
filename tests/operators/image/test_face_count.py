"""faceCount: the number of faces."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from datajob.operators.image.face_count import FaceCount
from tests.support.image_results import measure, reasons
from tests.support.pictures import encoded, photo, photo_bytes

NOBODY, ONE = photo_bytes("china"), photo_bytes("face")
_WIDE = Image.new("RGB", (1024, 600))
_WIDE.paste(photo("face"), (0, 0))
_WIDE.paste(photo("face"), (512, 0))
TWO = encoded(_WIDE, "JPEG", quality=95)
TINY = encoded(Image.new("RGB", (1, 1)))


def test_faces_are_counted() -> None:
    assert measure(FaceCount(), NOBODY, ONE, TWO, TINY) == [0, 1, 2, 0]
    assert reasons(FaceCount(), NOBODY, ONE, TWO, TINY) == [None] * 4
    assert reasons(FaceCount(min=1, max=1), NOBODY, ONE, TWO) == ["face_count_too_low", None, "face_count_too_high"]
    assert reasons(FaceCount(), b"text", None) == ["notAnImage", "noMedia"]


def test_the_whole_image_has_the_number_of_opencv() -> None:
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt.xml")
    for image in (NOBODY, ONE, TWO):
        gray = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert measure(FaceCount(side=None), image) == [len(cascade.detectMultiScale(gray, scaleFactor=1.1, minNeighbors=3))]
