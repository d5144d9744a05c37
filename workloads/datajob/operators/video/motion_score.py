"""motionScore: keep rows whose video moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from datajob.operators.base import Bound
from datajob.operators.media.video_steps import FrameFilter, min_max

if TYPE_CHECKING:
    from datajob.media.video_types import VideoFacts
    from datajob.operators.media.clips import FrameMeter

Method = Literal["flow", "difference", "vectors"]


class MotionScore(FrameFilter):
    """Keep rows whose video has a motion score within limits. There are no limits by default: they depend on the method.

    | Method | Score | Usual limits |
    |---|---|---|
    | `flow` | Mean length of Farneback's optical flow, with the parameters of Data-Juicer and Open-Sora | `min: 0.002` |
    | `difference` | Mean absolute difference of luma, 0 to 1; the fastest | `min: 0.01` |
    | `vectors` | Mean length of the codec's motion vectors over width plus height, as in NeMo Curator | `min: 0.00098` |

    `flow` and `difference` compare `fps` frames per second with the one before. With `relative`, the flow is divided by the
    diagonal of the frame, so that scores do not depend on the resolution. With `relative: false`, it is in pixels of the video;
    `relative: false` and `side: null` are Data-Juicer's `video_motion_score_filter`, whose minimum is 0.25.

    `vectors` measures `fps` frames per second. Decoders return vectors for H.264, MPEG-2, and MPEG-4, but not for HEVC, VP9,
    and AV1, whose rows fail. A video with a single frame has a score of 0.

    Example:

        - motionScore: {min: 0.002, max: 0.05, output: motion}
        - motionScore: {method: difference, min: 0.01}
    """

    min: float | None = Field(default=None, ge=0, description="Minimum score.")
    max: float | None = Field(default=None, ge=0, description="Maximum score.")
    method: Method = Field(default="flow", description="What is measured.")
    fps: float = Field(default=2, gt=0, le=240, description="Frames per second that are measured.")
    side: int | None = Field(
        default=320, ge=32, description="Longer side to which frames are reduced for `flow`; `null` for the full size."
    )
    relative: bool = Field(default=True, description="Whether the flow is divided by the diagonal of the frame.")

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("`min` must not be larger than `max`")
        return self

    def required(self) -> Mapping[str, str]:
        """OpenCV computes the flow."""
        flow = {"cv2": "opencv-python-headless"} if self.method == "flow" else {}
        return {**super().required(), **flow}

    def prepare(self) -> None:
        """Load what measures motion."""
        from datajob.operators.kernels import area, video  # noqa: F401

        if self.method == "flow":
            import cv2

            cv2.setNumThreads(1)

    def vectors(self) -> bool:
        """With the method `vectors`."""
        return self.method == "vectors"

    def meter(self, facts: VideoFacts) -> FrameMeter:
        """Measures motion."""
        from datajob.operators.media import video_motion

        if self.method == "flow":
            return video_motion.OpticalFlow(self.fps, self.side, self.relative)
        return video_motion.FrameDifference(self.fps) if self.method == "difference" else video_motion.MotionVectors(self.fps)

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "motion_score")
