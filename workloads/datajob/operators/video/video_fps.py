"""videoFps: keep rows whose video has a frame rate within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.media.errors import MediaError
from datajob.operators.base import Bound
from datajob.operators.media.video_steps import VideoFilter, min_max

if TYPE_CHECKING:
    from datajob.operators.media.clips import Clip


class VideoFps(VideoFilter):
    """Keep rows whose video has a number of frames per second within limits. Only headers are read.

    The value is the average over the file: the frame rate of phones and screen recordings varies.

    Example:

        - videoFps: {min: 20, max: 60}
    """

    min: float | None = Field(default=10, ge=0, description="Minimum number of frames per second.")
    max: float | None = Field(default=None, ge=0, description="Maximum number of frames per second.")

    def measure(self, clip: Clip) -> float:
        """The average. Raises MediaError if it is unknown."""
        if clip.facts.fps is None:
            raise MediaError("notMeasurable", "the file does not state its frame rate")
        return clip.facts.fps

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "fps")
