"""silenceRatio: keep rows whose audio is not mostly silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.audio_steps import SampleFilter, min_max

if TYPE_CHECKING:
    from datajob.media.audio_types import Form
    from datajob.operators.media.sounds import Meter, Sound


class SilenceRatio(SampleFilter):
    """Keep rows whose audio has a share of silence within limits: the share of windows below a level.

    The level of a window is the root mean square of all channels in dBFS, where full scale is 0.

    Example:

        - silenceRatio: {max: 0.5, threshold: -45}
    """

    min: float | None = Field(default=None, ge=0, le=1, description="Minimum share.")
    max: float | None = Field(default=0.5, ge=0, le=1, description="Maximum share.")
    threshold: float = Field(default=-45, le=0, description="Level in dBFS below which a window is silent.")
    window: float = Field(default=0.025, ge=0.001, le=10, description="Seconds of a window.")

    def meter(self, form: Form) -> Meter:
        """Powers of windows."""
        from datajob.operators.media.meters import Windows

        return Windows(form, self.window)

    def measure(self, sound: Sound) -> float:
        """The share of silent windows."""
        powers = sound.measured(self)
        return float((powers < 10 ** (self.threshold / 10)).mean())

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "silence_ratio")
