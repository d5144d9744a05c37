"""loudness: keep rows whose audio is neither too quiet nor too loud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.audio_steps import SampleFilter, min_max

if TYPE_CHECKING:
    from datajob.media.audio_types import Form
    from datajob.operators.media.sounds import Meter


class Loudness(SampleFilter):
    """Keep rows whose audio has a loudness within limits: integrated loudness in LUFS (ITU-R BS.1770-4, EBU R 128), gated.

    The value is that of pyloudnorm and of FFmpeg's `ebur128`. Silence is -70. Speech recordings are usually between -35 and
    -15, broadcast is -23, and music is up to -6.

    Example:

        - loudness: {min: -40, max: -10, output: loudness}
    """

    min: float | None = Field(default=-50, description="Minimum LUFS.")
    max: float | None = Field(default=-8, description="Maximum LUFS.")

    def meter(self, form: Form) -> Meter:
        """K-weighted and gated."""
        from datajob.operators.media import meters

        return meters.Loudness(form)

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "loudness")
