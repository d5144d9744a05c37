"""convertImage: format, colors and metadata of the result."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from datajob.operators.image.convert_image import ConvertImage
from datajob.operators.image.resize_image import ResizeImage
from datajob.operators.media.image_rows import ImageWork
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


def test_transparent_pixels_show_the_background() -> None:
    clear = Image.new("LA", (20, 10), (255, 0))
    clear.paste((200, 255), (0, 0, 10, 10))
    files = [FILES["transparent"], encoded(clear), encoded(CHINA.resize((20, 10)))]
    found = [Image.open(io.BytesIO(data)) for data in change(ConvertImage(format="png", background=(9, 8, 7)), *files)]
    assert [image.getpixel((15, 5)) for image in found[:2]] == [(9, 8, 7)] * 2
    assert found[1].getpixel((5, 5)) == (200, 200, 200)
    assert np.array_equal(np.asarray(found[2]), np.asarray(CHINA.resize((20, 10))))


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_mode_l_has_the_levels_of_gray(kind: str) -> None:
    for data in change(ConvertImage(format=kind, mode="L", quality=100), FILES["PNG"], FILES["gray"]):
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.mode) == (kind.upper(), "L")
            difference = np.asarray(image, np.int16) - np.asarray(CHINA.convert("L"))
        assert np.abs(difference).max() <= (2 if kind == "jpeg" else 0)
        assert change(ConvertImage(format=kind, mode="L", strip_metadata=False), data) == [data]


def test_later_steps_keep_the_encoding() -> None:
    work = ImageWork((ConvertImage(format="jpeg", quality=20, mode="L"), ResizeImage(side=320)), lists=False, decides=True)
    (found,) = work((FILES["PNG"],))[-1].files
    with Image.open(io.BytesIO(found)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "L", (320, 214))
        expected = encoded(CHINA.resize((320, 214), Image.Resampling.BOX).convert("L"), "JPEG", quality=20)
    assert len(found) == pytest.approx(len(expected), rel=0.1)


@pytest.mark.parametrize("step", [{"mode": "L", "format": "webp"}, {"background": [0, 0, 256]}, {"background": [0, 0]}])
def test_parameters_that_no_file_can_represent_are_refused(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ConvertImage.model_validate(step)


def test_files_are_kept_only_if_metadata_may_remain() -> None:
    data = photo_bytes("china")
    assert change(ConvertImage(strip_metadata=False), data) == [data]
    assert change(ConvertImage(), data) != [data]
    assert change(ConvertImage(strip_metadata=False), FILES["turned"]) != [FILES["turned"]]
    assert change(ConvertImage(format="webp"), b"text", data[:9000]) == ["notAnImage", "truncated"]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_file_with_a_transparent_color_is_not_kept(mode: Any) -> None:
    source = Image.new(mode, (20, 10), "red")
    clear, plain = encoded(source, transparency=source.getpixel((0, 0))), encoded(source)
    found, kept = change(ConvertImage(format="png", mode=mode, strip_metadata=False), clear, plain)
    with Image.open(io.BytesIO(found)) as image:
        assert (image.getpixel((3, 3)), "transparency" in image.info) == ((255, 255, 255) if mode == "RGB" else 255, False)
    assert kept == plain
