"""Writes audio files from blocks of samples."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from datajob.media.errors import MediaError
from datajob.media.isolation import progress_made
from datajob.operators.media.meters import no_samples

if TYPE_CHECKING:
    from datajob.media.audio_stream import AudioStream, Block
    from datajob.media.audio_types import Form
    from datajob.media.references import TimeSpan

AudioFormat = Literal["wav", "flac", "ogg"]
MAX_BYTES = (1 << 31) - 1
"""The maximum size of a value."""
_SUBTYPES = {"WAV": "PCM_16", "FLAC": "PCM_16", "OGG": "VORBIS"}
_WRITE = 1 << 15
"""Frames of a write: libsndfile crashes when it encodes a long block as Ogg."""


class AudioWriter:
    """A meter whose value is the file: 16 bits per sample, or Vorbis."""

    def __init__(self, form: Form, kind: str) -> None:
        import soundfile

        self._stream = io.BytesIO()
        try:
            self._sound: Any = soundfile.SoundFile(
                self._stream, "w", form.rate, form.channels, _SUBTYPES[kind], format=kind, closefd=False
            )
        except (soundfile.LibsndfileError, ValueError) as error:
            raise MediaError("notWritable", f"{form.rate} Hz, {form.channels} channels as {kind}: {error}") from error

    def add(self, block: Block) -> None:
        """Write samples; those beyond full scale are clipped."""
        for start in range(0, len(block), _WRITE):
            self._sound.write(block[start : start + _WRITE])
        if self._stream.tell() > MAX_BYTES:
            raise MediaError("tooLarge", "the changed audio is larger than 2 GiB, the maximum size of a value")

    def value(self) -> bytes:
        """The file. Raises MediaError if it has no samples, because FLAC and Ogg files then have no bytes."""
        empty = not self._sound.frames
        self._sound.close()
        if empty:
            raise no_samples()
        return self._stream.getvalue()


def encoded(block: Block, form: Form, kind: str) -> bytes:
    """The file of one block."""
    writer = AudioWriter(form, kind)
    writer.add(block)
    return writer.value()


def written_parts(stream: AudioStream, spans: Sequence[TimeSpan], kind: str) -> list[bytes]:
    """The files of time spans of a stream, in order. Only one of them is written at a time."""
    rate, at, size = stream.form.rate, 0, 0
    ends = [(round(start * rate), None if end is None else round(end * rate)) for start, end in spans]
    files: list[bytes] = []
    writer: AudioWriter | None = None
    for block in stream.blocks():
        progress_made()
        while len(files) < len(ends):
            first, last = ends[len(files)]
            if first >= at + len(block):
                break
            writer = writer or AudioWriter(stream.form, kind)
            writer.add(block[max(0, first - at) : None if last is None else max(0, last - at)])
            if last is None or last > at + len(block):
                break
            files.append(writer.value())
            writer, size = None, size + len(files[-1])
            if size > MAX_BYTES:
                raise MediaError("tooLarge", "the parts together are larger than 2 GiB; leave out `format` to refer to them")
        at += len(block)
        if len(files) == len(ends):
            break
    if writer is not None:
        files.append(writer.value())
    return files
