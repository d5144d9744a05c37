"""extractAudio: the audio of a video, for steps on audio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from datajob.media.errors import MediaError
from datajob.operators.base import Map
from datajob.operators.media.bases import MediaSignature, one_per_row
from datajob.operators.media.video_steps import VideoStep
from datajob.operators.operator import Order
from datajob.operators.packages import require
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch
    from datajob.operators.media.clips import Clip


class AudioTrack(VideoStep, MediaSignature):
    """The audio of a video: True for a reference, its file, or None if there is none; the work of `extractAudio`."""

    abstract: ClassVar[bool] = True

    copies: bool
    optional: bool

    def reads_headers(self) -> bool:
        """Unless packets are copied."""
        return not self.copies

    def sign(self, clip: Clip) -> Any:
        """True or the file, and whether there is audio at all."""
        from datajob.media.audio_copy import copied_audio

        if not clip.facts.has_audio:
            if self.optional:
                return None
            raise MediaError("noAudio", "the video has no audio track")
        return copied_audio(clip.reading.file, clip.reading.span) if self.copies else True


class ExtractAudio(Map):
    """Add a column with the audio of each video, which steps on audio process.

    By default, the column refers to the same file: steps on audio read its audio track, and nothing is copied. Use
    `resampleAudio` after it to write the audio as files of one format. With `format: copy`, the audio is written as a file in
    its codec (m4a, mp3, ogg, flac or wav) without decoding it. A copy of a part of a video can be longer by one packet on both
    sides, usually 20 ms.

    Example:

        - extractAudio: {}
        - loudness: {column: audio, min: -50}
        - resampleAudio: {column: audio, rate: 16000, format: flac}
    """

    column: Column = Field(default="video", description="Column with video: encoded bytes, a path or URL, or a struct of both.")
    folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")
    format: Literal["reference", "copy"] = Field(
        default="reference", description="A reference to the audio in the file of the video, or a file with a copy of it."
    )
    optional: bool = Field(
        default=False, description="Whether the audio of a video without audio is null. Otherwise, the row fails."
    )
    output: NewColumn = Field(default="audio", description="Column for the audio: a struct of `bytes` and `path`.")

    @model_validator(mode="after")
    def _other_column(self) -> Self:
        if self.output == self.column:
            raise ValueError(f"`output` must not be `{self.column}`, which is the column of the videos")
        return self

    def resolved(self) -> Self:
        """The step itself. Raises InvalidJob if a package that it needs is not installed."""
        require(self._work().required(), self.key)
        return self

    def outputs(self, columns: Order) -> Order:
        """The columns before this step and the new one."""
        return tuple(dict.fromkeys((*columns, self.output)))

    def new_files(self) -> tuple[str, str | None] | None:
        """The column of the videos, whose audio is at most as large."""
        return (self.column, self.folder) if self.format == "copy" else None

    def _work(self) -> AudioTrack:
        return AudioTrack(column=self.column, folder=self.folder, copies=self.format == "copy", optional=self.optional)

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the audio; rows whose video has none fail, unless it is optional."""
        import pyarrow as pa

        from datajob.media.names import new_name
        from datajob.media.values import media_type, media_values

        column: Any = batch.array(self.column)
        one_per_row(self.column, column.type, "video", self.key)
        values: list[Any] = list(media_values(column))
        audio: list[Any] = []
        for value, found in zip(values, self._work().signed(batch), strict=True):
            if found is None:
                audio.append(None)
            elif found is True:
                data = None if value.data is None else bytes(value.data)
                audio.append({"bytes": data, "path": self._reference(value)})
            else:
                audio.append({"bytes": found, "path": new_name(value.reference, found) if value.path else None})
        array = pa.array(audio, media_type())
        at = batch.table.schema.get_field_index(self.output)
        table = batch.table
        return table.append_column(self.output, array) if at < 0 else table.set_column(at, self.output, array)

    def _reference(self, value: Any) -> str | None:
        """The path of a video, including the folder: steps on audio may not state it."""
        from dataclasses import replace

        from datajob.formats.media_files import located

        if value.data is None and self.folder is not None:
            value = replace(value, path=located(value, self.folder))
        reference: str | None = value.reference
        return reference
