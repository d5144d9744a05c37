"""vadSegment: one row for each segment of speech."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from pydantic import Field, model_validator

from datajob.operators.media.audio_steps import MAX_SECONDS, AudioSplit
from datajob.operators.media.encoders import AudioFormat
from datajob.operators.media.speech import SpeechProbability
from datajob.operators.operator import Order
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.media.audio_types import Form
    from datajob.operators.base import Batch
    from datajob.operators.media.sounds import Meter, Sound


class _Segments(NamedTuple):
    """The segments of a recording, which can itself be a part of a file."""

    spans: Sequence[tuple[float, float]]
    files: Sequence[bytes]


class VadSegment(AudioSplit):
    """Turn each recording into one row per segment of speech, as references to parts of the file (`#t=12.5,20`) or as files.

    The network of silero-vad 6 gives the probability of speech every 32 ms. A segment ends where it is below the threshold for
    `minSilence`; one that is longer than `max` is cut where speech is least probable. Segments shorter than `min` are left out,
    and so are recordings without speech. The defaults are those of NeMo Curator, apart from `max`.

    By default, nothing is copied. A row then fails if it has no path, or bytes that are not those of the file at its path,
    such as behind `resampleAudio`: nothing can refer to them. With `format`, each segment is a new file with 16 bits per sample
    and the sample rate of the recording.

    Example:

        - vadSegment: {min: 3, max: 30, start: start, end: end}
        - vadSegment: {format: flac}
    """

    packages: ClassVar[dict[str, str]] = SpeechProbability.packages

    column: Column = Field(default="audio", description="Column with audio: encoded bytes, a path or URL, or a struct of both.")
    threshold: float = Field(default=0.5, gt=0, lt=1, description="Probability from which a frame is speech.")
    min_silence: float = Field(default=0.5, gt=0, description="Seconds of silence that end a segment.")
    pad: float = Field(default=0.3, ge=0, description="Seconds that are added on both sides of a segment.")
    min: float = Field(default=2, ge=0, description="Minimum seconds of a segment.")
    max: float = Field(default=30, gt=0, description="Maximum seconds of a segment.")
    format: AudioFormat | None = Field(
        default=None, description="Format of segments that are written as files; null refers to parts of the recordings."
    )
    start: NewColumn | None = Field(default=None, description="Column for the start of the segment in the file, in seconds.")
    end: NewColumn | None = Field(default=None, description="Column for its end.")
    max_duration: float = Field(
        default=MAX_SECONDS, gt=0, le=10 * MAX_SECONDS, description="Maximum number of seconds to decode; longer audio fails."
    )

    @model_validator(mode="after")
    def _min_is_below_max(self) -> Self:
        if self.min > self.max / 2:
            raise ValueError("`max` must be at least twice `min`, so that parts of a long segment are not too short")
        return self

    def outputs(self, columns: Order) -> Order | None:
        """The columns before this step and the new ones."""
        return tuple(dict.fromkeys((*columns, *filter(None, (self.start, self.end)))))

    def new_files(self) -> tuple[str, str | None] | None:
        """The column, if parts are files."""
        return None if self.format is None else (self.column, self.folder)

    def seconds_limit(self) -> float:
        """The parameter `maxDuration`."""
        return self.max_duration

    def meter(self, form: Form) -> Meter:
        """The probabilities of speech."""
        from datajob.operators.media.speech import SpeechMeter

        return SpeechMeter(form)

    def sign(self, sound: Sound) -> _Segments:
        """The segments of a recording."""
        spans = self._spans(*sound.measured(self))
        return _Segments(spans, () if self.format is None else sound.cut(spans, self.format.upper()))

    def _spans(self, probabilities: Any, duration: float) -> list[tuple[float, float]]:
        from datajob.operators.media.segments import Rules, segments
        from datajob.operators.media.speech import FRAME_SECONDS

        rules = Rules(self.threshold, self.min_silence, self.pad, self.min, self.max)
        return segments(probabilities, FRAME_SECONDS, duration, rules)

    def split(self, batch: Batch, table: pa.Table, found: list[Any]) -> pa.Table:
        """One row per segment."""
        from datajob.operators.media.parts import PartFiles, part_rows

        spans = [None if one is None else one.spans for one in found]
        files = [None if one is None else one.files for one in found]
        written = None if self.format is None else PartFiles(files, self.format)
        return part_rows(self, batch, table, spans, (self.start, self.end), written)
