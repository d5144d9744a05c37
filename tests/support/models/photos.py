"""Draws photographs, seeded: gradients, blobs and grain, in the sizes that cameras and web pages have."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZES = (
    (640, 480),
    (480, 640),
    (512, 512),
    (900, 300),
    (300, 900),
    (320, 240),
    (1024, 683),
    (200, 150),
    (800, 200),
    (150, 600),
)


def photo(number: int, size: tuple[int, int] | None = None) -> Image.Image:
    """The photograph of a number, always the same."""
    chance = np.random.default_rng(number)
    width, height = size or SIZES[number % len(SIZES)]
    corners = Image.fromarray(chance.integers(0, 256, (3, 3, 3), dtype=np.uint8))
    image = corners.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(int(chance.integers(3, 9))):
        x, y = int(chance.integers(0, width)), int(chance.integers(0, height))
        r = int(chance.integers(4, max(5, min(width, height) // 3)))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(chance.integers(0, 256, 3).tolist()))
    return image.filter(ImageFilter.GaussianBlur(1))


def jpeg(number: int, size: tuple[int, int] | None = None) -> bytes:
    """The photograph as a JPEG file."""
    stream = io.BytesIO()
    photo(number, size).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def make_photos(folder: Path, count: int) -> Path:
    """Write `count` photographs to `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"photo-{number:04}.jpg").write_bytes(jpeg(number))
    return folder
