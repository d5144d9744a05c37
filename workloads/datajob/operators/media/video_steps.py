"""The bases of steps on video. Their code runs for one value at a time, in a child process.

A filter measures frames, and has limits:

    class Darkness(FrameFilter):
        max: float = Field(default=0.9, description="...")

        def meter(self, facts: VideoFacts) -> FrameMeter:
            return DarknessMeter()      # add(frame): frame.luma, frame.small(width), frame.time; value()

        def bounds(self) -> tuple[Bound, ...]:
            return min_max(self, "darkness")

- A filter that only reads `clip.facts` and `clip.duration` is a VideoFilter: nothing is decoded.
- A step that tolerates it returns "key" from `frames`: it sees key frames only. If this is true of all steps of the section,
  the other frames are not decoded. A step with `vectors` sees the motion vectors of the codec.
- A VideoSignature computes a value for steps that are not filters or maps, such as the scenes of each row.
- A VideoSplit turns each row into parts of its video. It ends a section.
- A VideoMap returns a new file from `change`. Steps after it see the new file.
- To fail a value, raise MediaError with one word as the reason.
- Adjacent steps on the same column form a section: each value is decoded once for all of them, and again after a map. A step
  must not depend on other rows, and its parameters and results must be picklable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from datajob.media.lists import Keep
from datajob.media.signatures import Kind
from datajob.operators.base import Bound
from datajob.operators.media.bases import MediaFilter, MediaMap, MediaSignature, MediaSplit, MediaStep, min_max
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    from datajob.media.video_types import VideoFacts
    from datajob.operators.media.clips import Clip, FrameMeter
    from datajob.operators.media.video_rows import VideoWork

MAX_SECONDS = 86_400
"""Default limit of the duration."""
MAX_PIXELS = 100_000_000
"""Default limit of the pixels of a frame."""


class VideoStep(MediaStep):
    """What all steps on video have in common."""

    abstract: ClassVar[bool] = True
    kind: ClassVar[Kind] = "video"

    column: Column = Field(
        default="video",
        description="Column with video or a list of videos. A video is encoded bytes, a path or URL, or a struct of both.",
    )
    folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")

    def required(self) -> Mapping[str, str]:
        """PyAV. Steps that only read headers need it too, for some formats."""
        return {"av": "av", **self.packages}

    def prepare(self) -> None:
        """Import and compile what the step needs, before memory is limited."""

    def meter(self, facts: VideoFacts) -> FrameMeter | None:
        """What it measures of the frames of a video; None if it needs no frames."""
        return None

    def frames(self) -> Literal["all", "key"]:
        """The frames that its meter sees."""
        return "all"

    def vectors(self) -> bool:
        """Whether its meter needs the motion vectors of the codec."""
        return False

    def needs_duration(self) -> bool:
        """Whether a step that only reads headers needs the duration."""
        return False

    def seconds_limit(self) -> float:
        """The longest video that the step decodes."""
        return MAX_SECONDS

    def pixel_limit(self) -> int:
        """The largest frame that the step decodes."""
        return MAX_PIXELS

    def work(self, steps: tuple[Any, ...], lists: bool, decides: bool) -> VideoWork:
        """Decodes each value once."""
        from datajob.operators.media.video_rows import VideoWork

        return VideoWork(steps, lists, decides)


class VideoFilter(VideoStep, MediaFilter):
    """Keep rows whose video has measures within limits."""

    abstract: ClassVar[bool] = True

    keep_if: Keep = Field(
        default="any",
        alias="keep",
        description="Whether `any` or `all` items of a list must be within the limits. With `each`, the row is kept, and the "
        "items that are not within the limits are removed.",
    )
    output: NewColumn | None = Field(default=None, description="Column for the measure.")

    def measure(self, clip: Clip) -> float | Mapping[str, float]:
        """The measure of a value, or several by name. Raises MediaError if it has none."""
        raise NotImplementedError

    def reads_headers(self) -> bool:
        """Unless it decodes frames."""
        return not self.runs_user_code()


_MAX_DURATION: Any = Field(
    default=MAX_SECONDS, gt=0, le=10 * MAX_SECONDS, description="Maximum number of seconds to decode; longer videos fail."
)
_MAX_PIXELS: Any = Field(
    default=MAX_PIXELS, ge=1, le=2_000_000_000, description="Maximum number of pixels of a frame. Videos with larger ones fail."
)


class FrameStep(VideoStep):
    """A step that decodes frames."""

    abstract: ClassVar[bool] = True

    max_duration: float = _MAX_DURATION
    max_pixels: int = _MAX_PIXELS

    def seconds_limit(self) -> float:
        """The parameter `maxDuration`."""
        return self.max_duration

    def pixel_limit(self) -> int:
        """The parameter `maxPixels`."""
        return self.max_pixels


class FrameFilter(FrameStep, VideoFilter):
    """A filter that decodes frames."""

    abstract: ClassVar[bool] = True

    def reads_headers(self) -> bool:
        """False."""
        return False

    def measure(self, clip: Clip) -> float | Mapping[str, float]:
        """What the meter measured."""
        found: float | Mapping[str, float] = clip.measured(self)
        return found


class VideoSignature(FrameStep, MediaSignature):
    """Computes a value from the frames of each row, such as its scenes; for steps that are not filters or maps."""

    abstract: ClassVar[bool] = True

    def sign(self, clip: Clip) -> Any:
        """What the meter measured."""
        return clip.measured(self)


class VideoSplit(FrameStep, MediaSplit):
    """Turns each row into one row for each part of its video, such as its scenes."""

    abstract: ClassVar[bool] = True

    def sign(self, clip: Clip) -> Any:
        """What the meter measured."""
        return clip.measured(self)


class VideoMap(FrameStep, MediaMap):
    """Change the video of each row."""

    abstract: ClassVar[bool] = True

    def change(self, clip: Clip) -> bytes | None:
        """The new file; None to leave the video unchanged. Raises MediaError."""
        raise NotImplementedError

    def edited(self, clip: Clip) -> Clip | None:
        """The video after the step."""
        data = self.change(clip)
        return None if data is None else clip.edited(data, self)


__all__ = [
    "Bound", "FrameFilter", "FrameStep", "VideoFilter", "VideoMap", "VideoSignature", "VideoSplit",
    "VideoStep", "min_max",
]  # fmt: skip
