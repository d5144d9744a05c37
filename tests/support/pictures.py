"""Pictures for tests: real photos of installed packages, and encoded files."""

from __future__ import annotations

import io
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PHOTOS = {
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "face": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
}
"""JPEG photos that packages contain: 640 x 427, 640 x 427, and a portrait of 512 x 600 with one face."""


@cache
def photo_bytes(name: str) -> bytes:
    """The file of a photo."""
    package, path = PHOTOS[name]
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / path).read_bytes()


def photo(name: str) -> Image.Image:
    """A photo, decoded by Pillow as RGB."""
    return Image.open(io.BytesIO(photo_bytes(name))).convert("RGB")


def luma(image: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Its levels of gray, as Pillow converts them."""
    return np.asarray(image.convert("L"))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The image as a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
