"""A step on images for benchmarks, which the child process can import."""

from __future__ import annotations

from datajob.media.picture import Need, Picture
from datajob.operators.base import Bound
from datajob.operators.media.steps import PixelFilter, min_max


class Mean(PixelFilter):
    """The mean luma: a step whose own work is small."""

    side: int = 256

    def needs(self) -> tuple[Need, ...]:
        return (Need("gray", longer=self.side),)

    def measure(self, picture: Picture) -> float:
        return float(picture.pixels(*self.needs()).mean())

    def bounds(self) -> tuple[Bound, ...]:
        return min_max(self, "mean")
