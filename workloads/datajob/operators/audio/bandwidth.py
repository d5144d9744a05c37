"""bandwidth: keep rows whose audio has high frequencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.audio_steps import SampleFilter, min_max

if TYPE_CHECKING:
    from datajob.media.audio_types import Form
    from datajob.operators.media.sounds import Meter, Sound


class Bandwidth(SampleFilter):
    """Keep rows whose audio has a bandwidth within limits: the highest frequency in Hz whose mean power is near the peak.

    Finds telephone speech and music that was saved at a higher sample rate than it has. The definition is that of NeMo
    Curator's `BandwidthEstimationStage`: windows of 512 samples every 10 ms, Blackman-Harris. Silence has no bandwidth: 0.

    Example:

        - bandwidth: {min: 7000, output: bandwidth}
    """

    min: float | None = Field(default=4000, ge=0, description="Minimum frequency in Hz.")
    max: float | None = Field(default=None, ge=0, description="Maximum frequency in Hz.")
    drop: float = Field(default=50, gt=0, description="Decibels below the peak of the mean spectrum.")

    def meter(self, form: Form) -> Meter:
        """The mean spectrum."""
        from datajob.operators.media.meters import Spectrum

        return Spectrum(form)

    def measure(self, sound: Sound) -> float:
        """The highest frequency."""
        from datajob.operators.media.meters import bandwidth

        spectrum, bin_width = sound.measured(self)
        return bandwidth(spectrum, bin_width, self.drop)

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "bandwidth")
