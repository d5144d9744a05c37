"""faceArea: the share of the largest face."""

from __future__ import annotations

from PIL import Image

from datajob.operators.image.face_area import FaceArea
from tests.support.image_results import measure, reasons
from tests.support.pictures import encoded, photo, photo_bytes

ONE = photo_bytes("face")
CLOSE = encoded(photo("face").crop((130, 30, 380, 330)), "JPEG", quality=95)


def test_the_share_grows_with_the_face() -> None:
    nobody, one, close = measure(FaceArea(), photo_bytes("flower"), ONE, CLOSE)
    assert nobody == 0 and 0.05 < one < 0.3 and one < close < 1
    assert reasons(FaceArea(max=(one + close) / 2), photo_bytes("flower"), ONE, CLOSE) == [None, None, "face_area_too_high"]
    assert reasons(FaceArea(min=one / 2), photo_bytes("flower"), ONE) == ["face_area_too_low", None]


def test_the_largest_face_counts() -> None:
    wide = Image.new("RGB", (1024, 600))
    wide.paste(photo("face"), (0, 0))
    wide.paste(photo("face").resize((256, 300)), (600, 0))
    both, [alone] = measure(FaceArea(), encoded(wide)), measure(FaceArea(), ONE)
    assert abs(both[0] - alone / 2) < 0.3 * alone
