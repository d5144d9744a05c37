"""blackFrames: keep rows whose video is not black for long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.video_steps import FrameFilter, min_max

if TYPE_CHECKING:
    from datajob.media.video_types import VideoFacts
    from datajob.operators.media.clips import FrameMeter


class BlackFrames(FrameFilter):
    """Keep rows whose video is black for a share of its time within limits.

    A frame is black if at least `pixels` of its pixels have a luma of at most `luma`, as in FFmpeg's `blackdetect`. Pixels are
    those of the frame reduced to a width of 256.

    Example:

        - blackFrames: {max: 0.2, output: black}
        - blackFrames: {max: 0.5, frames: key}
    """

    min: float | None = Field(default=None, ge=0, le=1, description="Minimum share of the time.")
    max: float | None = Field(default=0.5, ge=0, le=1, description="Maximum share of the time.")
    luma: float = Field(default=0.1, ge=0, le=1, description="Maximum luma of a black pixel; 0 is black, 1 is white.")
    pixels: float = Field(default=0.98, gt=0, le=1, description="Minimum share of black pixels of a black frame.")
    which: Literal["all", "key"] = Field(
        default="all",
        alias="frames",
        description="The frames to measure. `key` only decodes key frames, which is several times as fast; each stands for the "
        "time up to the next one.",
    )

    def prepare(self) -> None:
        """Load what counts pixels."""
        from datajob.operators.kernels import video  # noqa: F401

    def frames(self) -> Literal["all", "key"]:
        """The parameter `frames`."""
        return self.which

    def meter(self, facts: VideoFacts) -> FrameMeter:
        """Adds up the time of black frames."""
        from datajob.operators.media import video_meters

        return video_meters.BlackFrames(self.luma, self.pixels)

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "black_frames")
