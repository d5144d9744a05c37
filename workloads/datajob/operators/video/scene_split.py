"""sceneSplit: one row for each scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from datajob.operators.media.video_steps import VideoSplit
from datajob.operators.operator import Order
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.media.video_types import VideoFacts
    from datajob.operators.base import Batch
    from datajob.operators.media.clips import Clip, FrameMeter

_THRESHOLDS = {"content": 27.0, "adaptive": 3.0}


class SceneSplit(VideoSplit):
    """Turn each video into one row per scene, as references to parts of the file (`#t=12.5,20`).

    The detectors are those of PySceneDetect. `content` begins a scene where the mean difference of hue, saturation and value of
    adjacent frames is at least `threshold`. `adaptive` begins one where this difference is `threshold` times that of the two
    frames on both sides, and at least 15, which tolerates fast camera movements. Neither detects slow fades.

    Scenes shorter than `min` are left out, and longer ones are divided into equal parts of at most `max`. Nothing is copied:
    use `cutMedia` after it to write the scenes as files. A row without a path fails: nothing can refer to its bytes.

    Filters on the same column before this step share its decode. Filters after it measure each scene.

    Example:

        - sceneSplit: {detector: adaptive, min: 2, max: 20, trim: 0.2, start: start, end: end}
    """

    column: Column = Field(
        default="video", description="Column with video: a path or URL, or a struct of bytes and path that can be read again."
    )
    detector: Literal["content", "adaptive"] = Field(default="content", description="How the start of a scene is detected.")
    threshold: float | None = Field(
        default=None, gt=0, description="Difference from which a scene begins. By default, 27, and 3 for `adaptive`."
    )
    min_scene: float = Field(
        default=0.6, ge=0, description="Seconds of a scene below which the detector merges it with others (`min_scene_len`)."
    )
    min: float = Field(default=2, ge=0, description="Minimum seconds of a part.")
    max: float | None = Field(default=60, gt=0, description="Maximum seconds of a part.")
    trim: float = Field(default=0, ge=0, description="Seconds to leave out on both sides of a scene, such as transitions.")
    width: int = Field(default=256, ge=16, le=4096, description="Width of the frames that are compared.")
    start: NewColumn | None = Field(default=None, description="Column for the start of the part in the file, in seconds.")
    end: NewColumn | None = Field(default=None, description="Column for its end.")

    @model_validator(mode="after")
    def _min_is_below_max(self) -> Self:
        if self.max is not None and self.min > self.max / 2:
            raise ValueError("`max` must be at least twice `min`, so that parts of a long scene are not too short")
        return self

    def prepare(self) -> None:
        """Load what compares frames."""
        from datajob.operators.kernels import video  # noqa: F401

    def outputs(self, columns: Order) -> Order | None:
        """The columns before this step and the new ones."""
        return tuple(dict.fromkeys((*columns, *filter(None, (self.start, self.end)))))

    def meter(self, facts: VideoFacts) -> FrameMeter:
        """The difference of adjacent frames."""
        from datajob.operators.media.video_meters import SceneScores

        return SceneScores(self.width)

    def sign(self, clip: Clip) -> list[tuple[float, float]]:
        """The parts."""
        from datajob.operators.video._scenes import Lengths, adaptive_cuts, content_cuts, scenes

        found = clip.measured(self)
        detect: Any = adaptive_cuts if self.detector == "adaptive" else content_cuts
        threshold = _THRESHOLDS[self.detector] if self.threshold is None else self.threshold
        times = found.times.tolist()
        cuts = detect(times, found.scores.tolist(), threshold, self.min_scene)
        return scenes(times, cuts, Lengths(self.min, self.max, self.trim))

    def split(self, batch: Batch, table: pa.Table, found: list[Any]) -> pa.Table:
        """One row per part."""
        from datajob.operators.media.parts import part_rows

        return part_rows(self, batch, table, found, (self.start, self.end))
