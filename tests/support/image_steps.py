"""Steps on images for tests: maps, and filters that crash, hang or raise for planted images."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np

from datajob.media.errors import MediaError
from datajob.media.picture import Need, Picture
from datajob.operators.base import Bound
from datajob.operators.media.steps import ImageFilter, ImageMap, ImageSignature, PixelFilter, min_max

CRASH, RAISE, REFUSE, WRONG = 201, 202, 203, 204
"""Widths of planted images."""


class Planted(ImageFilter):
    """Ends the process, or raises, for images of some widths."""

    def needs(self) -> tuple[Need, ...]:
        return (Need("gray", longer=16),)

    def measure(self, picture: Picture) -> float:
        match picture.width:
            case 201:
                os.kill(os.getpid(), signal.SIGSEGV)
                time.sleep(60)
            case 202:
                raise KeyError("planted")
            case 203:
                raise MediaError("refused", "the image is planted")
            case 204:
                return float("nan")
        return 1.0


class Width(ImageFilter):
    """The width from the header."""

    min: float = 0
    max: float | None = None

    def measure(self, picture: Picture) -> float:
        return picture.width

    def bounds(self) -> tuple[Bound, ...]:
        return min_max(self, "width")


class Mean(PixelFilter):
    """The mean luma."""

    min: float | None = None
    max: float | None = None

    def needs(self) -> tuple[Need, ...]:
        return (Need("gray", longer=32),)

    def measure(self, picture: Picture) -> float:
        return float(picture.pixels(*self.needs()).mean())

    def bounds(self) -> tuple[Bound, ...]:
        return min_max(self, "mean")


class Halve(ImageMap):
    """Half of each side; images of an odd width remain as they are."""

    def needs(self) -> tuple[Need, ...]:
        return (Need("rgb"),)

    def change(self, picture: Picture) -> Any:
        if picture.width % 2:
            return None
        return np.ascontiguousarray(picture.pixels(*self.needs())[::2, ::2])


class Sizes(ImageSignature):
    """The size of each image."""

    def sign(self, picture: Picture) -> tuple[int, int]:
        return picture.width, picture.height


class Swell(ImageMap):
    """Replaces each image by a file of 1 MB."""

    def edited(self, picture: Picture) -> Any:
        return _Large(picture.data)


class _Large(Picture):
    def file(self) -> bytes:
        return os.urandom(1 << 20)
