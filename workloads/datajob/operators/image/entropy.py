"""entropy: keep rows by the entropy of the levels of gray of their image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.image._histogram import HistogramFilter

if TYPE_CHECKING:
    from datajob.operators.media.luma import Counts


class Entropy(HistogramFilter):
    """Keep rows whose image has a varied distribution of gray: the entropy of the luma, from 0 to 8 bits.

    Photos have 6 to 8 bits, while drawings, slides and scanned text have fewer. The definition is that of `PIL.Image.entropy`
    for a gray image, measured at 512 pixels. No other toolkit has this filter.

    Example:

        - entropy: {min: 3, output: entropy}
    """

    min: float | None = Field(default=None, ge=0, le=8, description="Minimum number of bits.")
    max: float | None = Field(default=None, ge=0, le=8, description="Maximum number of bits.")

    def level_measure(self, counts: Counts) -> float:
        """The entropy of the levels."""
        from datajob.operators.media.luma import entropy

        return entropy(counts)
