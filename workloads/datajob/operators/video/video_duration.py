"""videoDuration: keep rows whose video has a duration within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.video_steps import VideoFilter, min_max

if TYPE_CHECKING:
    from datajob.operators.media.clips import Clip


class VideoDuration(VideoFilter):
    """Keep rows whose video has a number of seconds within limits. Only headers are read, unless they do not state it.

    The duration of a clip (`#t=`) is that of the clip. Data-Juicer's `video_duration_filter` has the same scale, and no limits
    by default. Files without a duration, such as recordings of browsers, are read to the end, and not decoded.

    Example:

        - videoDuration: {min: 5, max: 600, output: duration}
    """

    min: float | None = Field(default=2, ge=0, description="Minimum number of seconds.")
    max: float | None = Field(default=None, ge=0, description="Maximum number of seconds.")

    def needs_duration(self) -> bool:
        """True."""
        return True

    def measure(self, clip: Clip) -> float:
        """The duration."""
        return clip.duration

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "duration")
