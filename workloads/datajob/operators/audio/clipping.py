"""clipping: keep rows whose audio is not overdriven."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.audio_steps import SampleFilter, min_max

if TYPE_CHECKING:
    from datajob.media.audio_types import Form
    from datajob.operators.media.sounds import Meter


class Clipping(SampleFilter):
    """Keep rows whose audio has a share of clipped samples within limits: samples at full scale, in runs of at least three.

    Codecs with loss move samples away from full scale. For them, use a lower `level`, such as 0.97.

    Example:

        - clipping: {max: 0.001, output: clipping}
    """

    min: float | None = Field(default=None, ge=0, le=1, description="Minimum share.")
    max: float | None = Field(default=0.001, ge=0, le=1, description="Maximum share.")
    level: float = Field(default=0.999, gt=0, description="Magnitude from which a sample is at full scale, which is 1.")
    run: int = Field(default=3, ge=1, description="Minimum number of adjacent samples at full scale.")

    def meter(self, form: Form) -> Meter:
        """Counts samples in runs."""
        from datajob.operators.media import meters

        return meters.Clipping(form, self.level, self.run)

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "clipping")
