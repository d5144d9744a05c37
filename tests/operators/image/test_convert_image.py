"""convertImage: format, colors and metadata of the result."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from datajob.operators.image.convert_image import ConvertImage
from tests.support.image_results import change
from tests.support.pictures import encoded, photo, photo_bytes

EXIF = Image.Exif()
EXIF[0x010F], EXIF[0x0112] = "camera", 6
CHINA = photo("china")
FILES = {
    "PNG": encoded(CHINA),
    "turned": encoded(CHINA, "JPEG", quality=95, exif=EXIF),
    "CMYK": encoded(CHINA.convert("CMYK"), "JPEG", quality=95),
    "gray": encoded(CHINA.convert("L"), "TIFF"),
    "transparent": encoded(Image.new("RGBA", (20, 10), (0, 0, 0, 0)), "WEBP", lossless=True),
    "animation": encoded(CHINA.quantize(), "GIF", save_all=True, append_images=[CHINA.quantize().rotate(9)]),
}


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("name", FILES)
def test_results_are_plain_images_of_the_format(name: str, kind: str) -> None:
    [found] = change(ConvertImage(format=kind), FILES[name])
    with Image.open(io.BytesIO(found)) as image:
        assert (image.format, image.mode, getattr(image, "n_frames", 1)) == (kind.upper(), "RGB", 1)
        assert len(image.getexif()) == 0
        assert image.size == {"turned": (427, 640), "transparent": (20, 10)}.get(name, (640, 427))
        if name == "transparent":
            assert image.getpixel((3, 3)) == (255, 255, 255)


def test_png_keeps_every_pixel_and_quality_decides_about_jpeg() -> None:
    [exact] = change(ConvertImage(format="png"), FILES["PNG"])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(exact))), np.asarray(CHINA))
    [good], [bad] = (change(ConvertImage(quality=quality), FILES["PNG"]) for quality in (95, 20))
    assert len(bad) < len(good) / 4


def test_files_are_kept_only_if_metadata_may_remain() -> None:
    data = photo_bytes("china")
    assert change(ConvertImage(strip_metadata=False), data) == [data]
    assert change(ConvertImage(), data) != [data]
    assert change(ConvertImage(strip_metadata=False), FILES["turned"]) != [FILES["turned"]]
    assert change(ConvertImage(format="webp"), b"text", data[:9000]) == ["notAnImage", "truncated"]
