"""audioDuration: keep rows whose audio has a duration within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.audio_steps import SampleFilter, min_max

if TYPE_CHECKING:
    from datajob.media.audio_types import Form
    from datajob.operators.media.sounds import Meter, Sound


class AudioDuration(SampleFilter):
    """Keep rows whose audio has a number of seconds within limits. Only headers are read, unless they do not state it.

    The duration of a clip (`#t=`) is that of the clip. Data-Juicer's `audio_duration_filter` has the same scale, but decodes
    the whole file.

    Example:

        - audioDuration: {min: 2, max: 30, output: duration}
    """

    min: float | None = Field(default=1, ge=0, description="Minimum number of seconds.")
    max: float | None = Field(default=None, ge=0, description="Maximum number of seconds.")
    exact: bool = Field(default=False, description="Decode and count the samples instead of trusting the header.")

    def reads_headers(self) -> bool:
        """Unless the samples are counted."""
        return not self.exact

    def meter(self, form: Form) -> Meter:
        """Counts samples."""
        from datajob.operators.media.meters import Counter

        return Counter(form)

    def measure(self, sound: Sound) -> float:
        """The duration in the header if there is one, otherwise that of the samples."""
        stated = None if self.exact else sound.duration
        counted: float = sound.measured(self) if stated is None else stated
        return counted

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "duration")
