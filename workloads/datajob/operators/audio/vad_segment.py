"""vadSegment: one row for each segment of speech."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from datajob.operators.base import FlatMap
from datajob.operators.operator import Order
from datajob.operators.packages import require
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch
    from datajob.operators.media.speech import SpeechProbability


class VadSegment(FlatMap):
    """Turn each recording into one row per segment of speech, as references to parts of the file (`#t=12.5,20`).

    The network of silero-vad 6 gives the probability of speech every 32 ms. A segment ends where it is below the threshold for
    `minSilence`; one that is longer than `max` is cut where speech is least probable. Segments shorter than `min` are left out,
    and so are recordings without speech. The defaults are those of NeMo Curator, apart from `max`. Nothing is copied: use
    `resampleAudio` behind it to write the segments as files. A row without a path fails: nothing can refer to its bytes.

    Example:

        - vadSegment: {min: 3, max: 30, start: start, end: end}
    """

    column: Column = Field(
        default="audio", description="Column with audio: a path or URL, or a struct of bytes and path that can be read again."
    )
    folder: str | None = Field(
        default=None, min_length=1, description="Folder or URL that relative audio paths are resolved against."
    )
    threshold: float = Field(default=0.5, gt=0, lt=1, description="Probability from which a frame is speech.")
    min_silence: float = Field(default=0.5, gt=0, description="Seconds of silence that end a segment.")
    pad: float = Field(default=0.3, ge=0, description="Seconds that are added on both sides of a segment.")
    min: float = Field(default=2, ge=0, description="Minimum seconds of a segment.")
    max: float = Field(default=30, gt=0, description="Maximum seconds of a segment.")
    start: NewColumn | None = Field(default=None, description="Column for the start of the segment in the file, in seconds.")
    end: NewColumn | None = Field(default=None, description="Column for its end.")

    @model_validator(mode="after")
    def _min_is_below_max(self) -> Self:
        if self.min > self.max / 2:
            raise ValueError("`max` must be at least twice `min`, so that parts of a long segment are not too short")
        return self

    def resolved(self) -> Self:
        """The step itself. Raises InvalidJob if a package that it needs is not installed."""
        require(self._probability().required(), self.key)
        return self

    def outputs(self, columns: Order) -> Order | None:
        """The columns before this step and the new ones."""
        return tuple(dict.fromkeys((*columns, *filter(None, (self.start, self.end)))))

    def _probability(self) -> SpeechProbability:
        from datajob.operators.media.speech import SpeechProbability

        return SpeechProbability(column=self.column, folder=self.folder)

    def expand(self, batch: Batch) -> pa.Table:
        """The segments of all rows."""
        import pyarrow as pa

        from datajob.media.references import Reference
        from datajob.media.values import is_list, media_type, media_values

        column: Any = batch.array(self.column)
        if is_list(column.type):
            raise TypeError("`vadSegment` processes one recording per row; use `explode` in front of it")
        rows: list[int] = []
        spans: list[tuple[float, float]] = []
        references: list[dict[str, Any]] = []
        values: list[Any] = list(media_values(column))
        for row, (value, probabilities) in enumerate(zip(values, self._probability().signed(batch), strict=True)):
            if row in batch.failures or probabilities is None:
                continue
            if value.path is None:
                batch.fail(row, "noPath: the audio has no path, so segments cannot refer to it; read it with `load: reference`")
                continue
            offset = value.time_span[0] if value.time_span else 0.0
            for start, end in self._segments(probabilities):
                rows.append(row)
                spans.append((offset + start, offset + end))
                reference = Reference(value.path, value.byte_range, (offset + start, offset + end))
                references.append({"bytes": None, "path": str(reference)})
        table = batch.table.take(pa.array(rows, pa.int64()))
        index = table.schema.get_field_index(self.column)
        table = table.set_column(index, self.column, pa.array(references, media_type()))
        for name, at in ((self.start, 0), (self.end, 1)):
            if name is not None:
                table = _with_column(table, name, pa.array([span[at] for span in spans], pa.float64()))
        return table

    def _segments(self, found: Any) -> list[tuple[float, float]]:
        from datajob.operators.media.segments import Rules, segments
        from datajob.operators.media.speech import FRAME_SECONDS

        probabilities, duration = found
        rules = Rules(self.threshold, self.min_silence, self.pad, self.min, self.max)
        return segments(probabilities, FRAME_SECONDS, duration, rules)


def _with_column(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.append_column(name, column) if at < 0 else table.set_column(at, name, column)
