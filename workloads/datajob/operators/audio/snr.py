"""snr: keep rows whose audio has little noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.audio_steps import SampleFilter, min_max

if TYPE_CHECKING:
    from datajob.media.audio_types import Form
    from datajob.operators.media.sounds import Meter, Sound


class Snr(SampleFilter):
    """Keep rows whose audio has a signal-to-noise ratio within limits, in dB: (signal - noise) / noise, from -20 to 100.

    The power of the noise is the 10th percentile of the powers of 25 ms windows, and that of the signal the 90th. This assumes
    that the signal pauses, as speech does; continuous music has a low ratio. Data-Juicer's `audio_nmf_snr_filter` factorizes
    the spectrum instead, and its values do not compare.

    Example:

        - snr: {min: 15, output: snr}
    """

    min: float | None = Field(default=10, description="Minimum ratio in dB.")
    max: float | None = Field(default=None, description="Maximum ratio in dB.")

    def meter(self, form: Form) -> Meter:
        """Powers of windows."""
        from datajob.operators.media.meters import Windows

        return Windows(form, 0.025)

    def measure(self, sound: Sound) -> float:
        """The ratio."""
        from datajob.operators.media.meters import percentile_snr

        return percentile_snr(sound.measured(self))

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "snr")
