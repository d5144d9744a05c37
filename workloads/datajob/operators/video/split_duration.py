"""splitDuration: one row for each part of a fixed duration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from datajob.operators.media.bases import MediaSplit
from datajob.operators.media.video_steps import VideoStep
from datajob.operators.operator import Order
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch
    from datajob.operators.media.clips import Clip


class SplitDuration(VideoStep, MediaSplit):
    """Turn each video into one row per part of a fixed duration, as references to parts of the file (`#t=10,20`).

    Only headers are read, unless they do not state the duration. Nothing is copied: use `cutMedia` after it to write the parts
    as files. A row without a path fails: nothing can refer to its bytes. The defaults are those of Data-Juicer's
    `video_split_by_duration_mapper`, which keeps short last parts (`minLast: 0`). Cosmos Curator uses parts of 10 seconds, and
    at least 2.

    Example:

        - splitDuration: {seconds: 10, minLast: 5, start: start, end: end}
    """

    column: Column = Field(
        default="video", description="Column with video: a path or URL, or a struct of bytes and path that can be read again."
    )
    seconds: float = Field(default=10, gt=0, description="Seconds of a part.")
    overlap: float = Field(default=0, ge=0, description="Seconds by which a part begins before the end of the one before.")
    min_last: float = Field(default=2, ge=0, description="Minimum seconds of the last part. A shorter one is left out.")
    start: NewColumn | None = Field(default=None, description="Column for the start of the part in the file, in seconds.")
    end: NewColumn | None = Field(default=None, description="Column for its end.")

    @model_validator(mode="after")
    def _advances(self) -> Self:
        if self.overlap >= self.seconds:
            raise ValueError("`overlap` must be less than `seconds`")
        if self.min_last > self.seconds:
            raise ValueError("`minLast` must not be larger than `seconds`")
        return self

    def reads_headers(self) -> bool:
        """True."""
        return True

    def needs_duration(self) -> bool:
        """True."""
        return True

    def outputs(self, columns: Order) -> Order | None:
        """The columns before this step and the new ones."""
        return tuple(dict.fromkeys((*columns, *filter(None, (self.start, self.end)))))

    def sign(self, clip: Clip) -> list[tuple[float, float]]:
        """The parts."""
        return parts(clip.duration, self.seconds, self.overlap, self.min_last)

    def split(self, batch: Batch, table: pa.Table, found: list[Any]) -> pa.Table:
        """One row per part."""
        from datajob.operators.media.parts import part_rows

        return part_rows(self, batch, table, found, (self.start, self.end))


def parts(duration: float, seconds: float, overlap: float, min_last: float) -> list[tuple[float, float]]:
    """The start and the end of each part. The last one ends with the video, and no part is within the one before."""
    found: list[tuple[float, float]] = []
    number = 0
    while (start := number * (seconds - overlap)) < duration and (not found or found[-1][1] < duration):
        end = min(duration, start + seconds)
        if end - start >= min(min_last, seconds) - 1e-6:
            found.append((start, end))
        elif end >= duration:
            break
        number += 1
    return found
