"""contrast: keep rows whose image has enough contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.image._histogram import HistogramFilter

if TYPE_CHECKING:
    from datajob.operators.media.luma import Counts


class Contrast(HistogramFilter):
    """Keep rows whose image has enough contrast: the standard deviation of the luma, from 0 to 0.5.

    This is the RMS contrast on a scale where white is 1. No other toolkit has this filter. The image is measured at 512 pixels,
    which lowers the contrast of fine textures and noise.

    Example:

        - contrast: {min: 0.05, output: contrast}
    """

    min: float | None = Field(default=0.02, ge=0, le=1, description="Minimum standard deviation.")
    max: float | None = Field(default=None, ge=0, le=1, description="Maximum standard deviation.")

    def level_measure(self, counts: Counts) -> float:
        """The standard deviation of the levels."""
        from datajob.operators.media.luma import contrast

        return contrast(counts)
