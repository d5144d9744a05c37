"""blankImage: reject images in which nearly all pixels are similar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.image._histogram import HistogramFilter

if TYPE_CHECKING:
    from datajob.operators.media.luma import Counts


class BlankImage(HistogramFilter):
    """Reject blank images: those in which nearly all pixels have similar levels of gray.

    The measure is the largest share of pixels whose luma is in the same range of 8 of the 256 levels, measured at 512 pixels.
    No other toolkit has this filter. Blank images have equal perceptual hashes, so use this step before `imageDedup`.

    Example:

        - blankImage: {max: 0.95}
    """

    min: float | None = Field(default=None, ge=0, le=1, description="Minimum share of similar pixels.")
    max: float | None = Field(default=0.99, ge=0, le=1, description="Maximum share of similar pixels.")

    def level_measure(self, counts: Counts) -> float:
        """The largest share of similar levels."""
        from datajob.operators.media.luma import blank_share

        return blank_share(counts)
