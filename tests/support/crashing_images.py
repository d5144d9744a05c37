"""Decoding of images for models that ends its process at planted images."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np

from datajob.operators.inference._engines.tiling import _Cutting
from datajob.operators.media.image import _Decoding

CRASH = b"crashes its decoder"
"""Bytes behind the end of a file, which real decoders ignore."""


class CrashingDecoding(_Decoding):
    """Decoding that ends its process at an image with `CRASH`."""

    def __call__(self, item: tuple[memoryview, ...]) -> Any:
        return _unless_planted(item, super().__call__)


class CrashingCutting(_Cutting):
    """Preparation that ends its process at an image with `CRASH`, and needs no model."""

    def prepare(self) -> None:
        """Nothing."""

    def __call__(self, item: tuple[memoryview, ...]) -> Any:
        return _unless_planted(item, lambda _: np.zeros((1, 3, 2, 2), np.uint8))


def _unless_planted(item: tuple[memoryview, ...], work: Any) -> Any:
    if bytes(item[0]).endswith(CRASH):
        os.kill(os.getpid(), signal.SIGSEGV)
    return work(item)
