"""Base of the filters that measure the distribution of the levels of gray."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from datajob.operators.base import Bound
from datajob.operators.media.steps import PixelFilter, min_max
from datajob.suggest import snake

if TYPE_CHECKING:
    from datajob.media.picture import Need, Picture
    from datajob.operators.media.luma import Counts

SIDE = 512
"""Pixels of the longer side: shares of levels hardly change above it."""


class HistogramFilter(PixelFilter):
    """Keep rows whose image has a measure of its levels of gray within limits."""

    abstract: ClassVar[bool] = True

    def needs(self) -> tuple[Need, ...]:
        """The luma of an image that is reduced to 512 pixels."""
        from datajob.media.picture import Need

        return (Need("gray", longer=SIDE),)

    def level_measure(self, counts: Counts) -> float:
        """The measure of a histogram of 256 levels."""
        raise NotImplementedError

    def measure(self, picture: Picture) -> float:
        """The measure of the histogram of the luma."""
        from datajob.operators.media.luma import histogram

        return self.level_measure(histogram(picture.pixels(*self.needs())))

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, snake(self.key))
