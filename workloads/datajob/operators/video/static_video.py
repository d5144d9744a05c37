"""staticVideo: keep rows whose video is not a still image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.video_steps import FrameFilter, min_max

if TYPE_CHECKING:
    from datajob.media.video_types import VideoFacts
    from datajob.operators.media.clips import FrameMeter


class StaticVideo(FrameFilter):
    """Keep rows whose video is static for a share of its time within limits, such as slides or a still with music.

    A frame is static if the mean absolute difference of its luma to that of the frame before is below `difference`. Frames are
    reduced to a width of 256. A video with a single frame is static.

    Example:

        - staticVideo: {max: 0.8, output: static}
    """

    min: float | None = Field(default=None, ge=0, le=1, description="Minimum share of the time.")
    max: float | None = Field(default=0.9, ge=0, le=1, description="Maximum share of the time.")
    difference: float = Field(
        default=0.002, gt=0, le=1, description="Difference below which a frame is static; 1 is that of black and white."
    )

    def prepare(self) -> None:
        """Load what compares frames."""
        from datajob.operators.kernels import video  # noqa: F401

    def meter(self, facts: VideoFacts) -> FrameMeter:
        """Adds up the time of static frames."""
        from datajob.operators.media.video_meters import StaticFrames

        return StaticFrames(self.difference)

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "static_video")
