"""videoResolution: keep rows whose video has a size within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from datajob.operators.base import Bound
from datajob.operators.measures import bounds_of
from datajob.operators.media.video_steps import VideoFilter

if TYPE_CHECKING:
    from datajob.operators.media.clips import Clip


class VideoResolution(VideoFilter):
    """Keep rows whose video has a size within limits. Only headers are read.

    Sizes are those of the displayed video, after the rotation. `output` receives the shorter side. Open-Sora uses at least 240,
    Panda-70M videos of 720 pixels.

    Example:

        - videoResolution: {minSide: 480}
    """

    min_side: int | None = Field(default=256, ge=1, description="Minimum number of pixels of the shorter side.")
    max_side: int | None = Field(default=None, ge=1, description="Maximum number of pixels of the longer side.")
    min_width: int | None = Field(default=None, ge=1, description="Minimum width in pixels.")
    min_height: int | None = Field(default=None, ge=1, description="Minimum height in pixels.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_side is not None and self.max_side < (self.min_side or 0):
            raise ValueError("`minSide` is larger than `maxSide`")
        return self

    def measure(self, clip: Clip) -> dict[str, float]:
        """The sides."""
        width, height = clip.facts.width, clip.facts.height
        return {"shorter_side": min(width, height), "longer_side": max(width, height), "width": width, "height": height}

    def measured(self) -> tuple[str, ...]:
        """The shorter side comes first."""
        return ("shorter_side", "longer_side", "width", "height")

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        limits = (
            ("min_side", "shorter_side"), ("max_side", "longer_side"), ("min_width", "width"), ("min_height", "height"),
        )  # fmt: skip
        return bounds_of(self, [(field, measure) for field, measure in limits if getattr(self, field) is not None])
