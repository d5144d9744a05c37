"""extractFrames: the frames of a video as images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from datajob.operators.base import Map
from datajob.operators.media.bases import one_per_row
from datajob.operators.media.video_steps import MAX_PIXELS, MAX_SECONDS
from datajob.operators.operator import Order
from datajob.operators.packages import require
from datajob.operators.video._frame_images import FrameImages, Select
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class ExtractFrames(Map):
    """Add a column with frames of each video as a list of images, which steps on images process (`column: frames`).

    | `select` | Frames |
    |---|---|
    | `uniform` | `count` frames at equal distances: the middle one for 1, otherwise from the first to the last |
    | `key` | All key frames, which need no other frames to be decoded |
    | `fps` | The first frame, and `fps` frames per second |
    | `times` | The frames at `times`, in seconds |

    The frame at a time is the one that is displayed then, according to the time stamps in the file. A frame is extracted once,
    even if it is displayed at several times, except with `times`. Frames are found by seeking where that is cheaper than
    decoding all frames, and are turned upright. Filters on images decide by the list: see `keep` and `reduce`. Open-Sora and
    Data-Juicer extract 1 or 3 uniform frames for measures, captioning models 8.

    Example:

        - extractFrames: {select: uniform, count: 8, side: 512}
        - sharpness: {column: frames, reduce: mean, min: 50}
    """

    column: Column = Field(default="video", description="Column with video: encoded bytes, a path or URL, or a struct of both.")
    folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")
    select: Select = Field(default="uniform", description="Which frames to extract.")
    count: int = Field(default=3, ge=1, le=10_000, description="Number of frames with `select: uniform`.")
    fps: float = Field(default=1.0, gt=0, le=1000, description="Frames per second with `select: fps`.")
    times: tuple[float, ...] = Field(
        default=(), description="Seconds with `select: times`, from the start of the video or clip."
    )
    side: int | None = Field(
        default=None, ge=1, le=65_500, description="Pixels of the longer side; larger frames are reduced. By default, none are."
    )
    format: Literal["jpeg", "png", "webp"] = Field(default="jpeg", description="Format of the images.")
    quality: int = Field(default=90, ge=1, le=100, description="Quality of `jpeg` and `webp`.")
    output: NewColumn = Field(default="frames", description="Column for the images: a list of structs of `bytes` and `path`.")
    output_times: NewColumn | None = Field(
        default="frameTimes",
        description="Column for the time of each frame, in seconds from the start of the file; null: none.",
    )
    max_frames: int = Field(default=1000, ge=1, le=100_000, description="Maximum number of frames of a video. Others fail.")
    max_duration: float = Field(
        default=MAX_SECONDS, gt=0, le=10 * MAX_SECONDS, description="Maximum number of seconds of a video; longer videos fail."
    )
    max_pixels: int = Field(
        default=MAX_PIXELS, ge=1, le=2_000_000_000, description="Maximum number of pixels of a frame. Larger ones fail."
    )

    @model_validator(mode="after")
    def _times_for_times(self) -> Self:
        if (self.select == "times") != bool(self.times):
            raise ValueError("`select: times` and `times` must be used together")
        if any(not 0 <= time < 10 * MAX_SECONDS for time in self.times):
            raise ValueError("`times` must not be negative")
        if len({self.column, self.output, self.output_times}) < 3:
            raise ValueError("`output` and `outputTimes` must be other columns than each other and `column`")
        return self

    def resolved(self) -> Self:
        """The step itself. Raises InvalidJob if a package that it needs is not installed."""
        require(self._work().required(), self.key)
        return self

    def outputs(self, columns: Order) -> Order:
        """The columns before this step and the new ones."""
        return tuple(dict.fromkeys((*columns, *filter(None, (self.output, self.output_times)))))

    def new_files(self) -> tuple[str, str | None]:
        """The column of the videos, whose frames usually are smaller."""
        return self.column, self.folder

    def _work(self) -> FrameImages:
        names = FrameImages.model_fields
        return FrameImages(**{name: getattr(self, name) for name in names if hasattr(self, name)})

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the frames; rows whose video cannot be decoded fail."""
        import pyarrow as pa

        from datajob.media.values import media_type

        one_per_row(self.column, batch.array(self.column).type, "video", self.key)
        found = self._work().signed(batch)
        images = [None if one is None else [{"bytes": data, "path": None} for _, data in one] for one in found]
        times = [None if one is None else [time for time, _ in one] for one in found]
        table = _with(batch.table, self.output, pa.array(images, pa.list_(media_type())))
        return table if self.output_times is None else _with(table, self.output_times, pa.array(times, pa.list_(pa.float64())))


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.append_column(name, column) if at < 0 else table.set_column(at, name, column)
