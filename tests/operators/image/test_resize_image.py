"""resizeImage: the size and the pixels of the result."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from datajob.operators.image.resize_image import ResizeImage
from tests.support.image_results import change
from tests.support.pictures import encoded, photo, photo_bytes


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def resized(data: bytes, **step: Any) -> Image.Image:
    [found] = change(ResizeImage.model_validate(step), data)
    return opened(found)


@pytest.mark.parametrize(
    ("size", "step", "expected"),
    [
        ((640, 427), {"side": 320}, (320, 214)),
        ((427, 640), {"side": 320}, (214, 320)),
        ((640, 427), {"width": 100, "height": 300}, (100, 67)),
        ((640, 427), {"side": 320, "mode": "centerCrop"}, (320, 320)),
        ((640, 427), {"width": 100, "height": 300, "mode": "centerCrop"}, (100, 300)),
        ((640, 427), {"side": 320, "mode": "pad"}, (320, 320)),
        ((40, 30), {"side": 320}, (40, 30)),
        ((40, 30), {"side": 320, "upscale": True}, (320, 240)),
        ((40, 30), {"side": 35, "mode": "centerCrop"}, (35, 30)),
        ((40, 30), {"side": 320, "mode": "centerCrop", "upscale": True}, (320, 320)),
        ((40, 30), {"side": 320, "mode": "pad"}, (320, 320)),
        ((4000, 1), {"side": 100}, (100, 1)),
        ((1, 4000), {"side": 100, "mode": "pad"}, (100, 100)),
        ((1, 4000), {"side": 100, "mode": "centerCrop"}, (1, 100)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_size_follows_the_mode(kind: str, size: tuple[int, int], step: dict[str, Any], expected: tuple[int, int]) -> None:
    found = resized(encoded(photo("china").resize(size), kind), **step)
    assert (found.size, found.format, found.mode) == (expected, kind, "RGB")


def test_an_image_that_fits_keeps_its_file() -> None:
    data = encoded(photo("china"), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")
    for step in ({"side": 640}, {"side": 9000, "mode": "keepRatio"}, {"width": 640, "height": 427, "mode": "pad"}):
        assert change(ResizeImage.model_validate(step), data) == [data]


def test_pixels_are_averages_of_areas() -> None:
    found = np.asarray(resized(encoded(photo("flower")), side=100), np.int16)
    expected = cv2.resize(np.asarray(photo("flower")), (100, 67), interpolation=cv2.INTER_AREA)
    assert np.abs(found - expected).max() <= 1
    jpeg = np.asarray(resized(photo_bytes("flower"), side=100), np.int16)
    assert np.abs(jpeg - expected).mean() < 4


@pytest.mark.parametrize("resample", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("side", [100, 900])
def test_the_filters_of_pillow_process_the_whole_image(resample: str, side: int) -> None:
    with Image.open(io.BytesIO(photo_bytes("china"))) as image:
        expected = image.resize((side, round(side * 427 / 640)), Image.Resampling[resample.upper()])
    data = encoded(expected, "JPEG", quality=95, subsampling="4:4:4")
    assert change(ResizeImage(side=side, resample=resample, upscale=True), photo_bytes("china")) == [data]


def test_a_padded_image_is_in_the_middle() -> None:
    found = resized(encoded(Image.new("RGB", (100, 51), "red")), side=100, mode="pad", background=[0, 0, 255])
    pixels = np.asarray(found)
    assert [tuple(pixels[y, 50]) for y in (0, 24, 25, 75, 76, 99)] == [(0, 0, 255)] * 2 + [(255, 0, 0)] * 2 + [(0, 0, 255)] * 2


def test_turned_transparent_and_animated_images_become_plain_ones() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = resized(encoded(photo("china"), "JPEG", exif=exif), side=64)
    assert (turned.size, turned.getexif().get(0x0112)) == ((43, 64), None)
    clear = resized(encoded(Image.new("RGBA", (80, 80), (255, 0, 0, 0))), side=40)
    assert (clear.mode, clear.getpixel((5, 5))) == ("RGB", (255, 255, 255))
    frames = [Image.new("P", (80, 80), i) for i in range(3)]
    assert resized(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), side=40).format == "JPEG"


def test_damaged_images_fail() -> None:
    data = photo_bytes("china")
    assert change(ResizeImage(side=10), None, b"", b"text", data[:5000]) == ["noMedia", "empty", "notAnImage", "truncated"]
    assert change(ResizeImage(side=10, max_pixels=100), data) == ["tooManyPixels"]


@pytest.mark.parametrize(
    ("size", "kind", "step"),
    [
        ((60_000, 1), "PNG", {"side": 2_000, "mode": "centerCrop", "upscale": True}),
        ((20_000, 1), "PNG", {"side": 65_000, "upscale": True, "resample": "bicubic", "max_pixels": 100_000}),
        ((8, 1), "WEBP", {"width": 16_384, "height": 2_048, "upscale": True}),
        ((1, 8), "WEBP", {"width": 4, "height": 16_384, "mode": "pad"}),
    ],
)
def test_results_that_are_too_large_fail_with_a_reason(size: tuple[int, int], kind: str, step: dict[str, Any]) -> None:
    assert change(ResizeImage.model_validate(step), encoded(Image.new("RGB", size), kind)) == ["tooManyPixels"]


@pytest.mark.parametrize(
    "step", [{}, {"side": 5, "width": 5, "height": 5}, {"width": 5}, {"side": 5, "background": [0, 0, 256]}]
)
def test_a_size_is_required(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ResizeImage.model_validate(step)
