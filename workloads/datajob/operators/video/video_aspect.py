"""videoAspect: keep rows whose video has a shape within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.video_steps import VideoFilter, min_max

if TYPE_CHECKING:
    from datajob.operators.media.clips import Clip


class VideoAspect(VideoFilter):
    """Keep rows whose video has a width / height within limits. Only headers are read.

    The ratio is that of the displayed video: after the rotation, and with the shape of its pixels. The defaults are those of
    Data-Juicer's `video_aspect_ratio_filter`: 9:21 to 21:9.

    Example:

        - videoAspect: {min: 1.3, max: 2}
    """

    min: float | None = Field(default=0.428, ge=0, description="Minimum ratio.")
    max: float | None = Field(default=2.334, ge=0, description="Maximum ratio.")

    def measure(self, clip: Clip) -> float:
        """The ratio."""
        return clip.facts.aspect

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "aspect_ratio")
