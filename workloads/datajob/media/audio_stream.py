"""Decoded audio, block by block: nothing holds the samples of a whole file.

soundfile decodes wav, flac, mp3 and ogg. PyAV decodes m4a, the audio of videos, and what soundfile refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from datajob.media.audio_facts import read_facts
from datajob.media.audio_types import AudioFacts, Form
from datajob.media.containers import SEEK_EARLY, audio_track, container, decoding, is_avi, is_matroska, is_transport_stream
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.references import TimeSpan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Block = NDArray[np.float32]
    """Samples: frames x channels. Full scale is 1; samples of floating-point files can exceed it."""

BLOCK = 1 << 16
"""Frames of a block."""
_SOUNDFILE = ("WAV", "FLAC", "MP3", "OGG")
MAX_CHANNELS = 64


class AudioStream(Protocol):
    """Audio that is being decoded."""

    form: Form

    def blocks(self) -> Iterator[Block]:
        """The samples. Raises MediaError if they cannot be decoded."""


@contextmanager
def open_stream(file: MediaFile, facts: AudioFacts, span: TimeSpan | None = None) -> Iterator[AudioStream]:
    """The samples of a file, or of a time span of it. Raises MediaError."""
    file.seek(0)
    stream: Any = None
    if facts.format in _SOUNDFILE:
        stream = _open_soundfile(file, facts, span)
    if stream is None:
        file.seek(0)
        stream = _Containers(file, span)
    try:
        if not 0 < stream.form.channels <= MAX_CHANNELS:
            raise MediaError("unsupportedFormat", f"{stream.form.channels} channels; the limit is {MAX_CHANNELS}")
        yield stream
    finally:
        stream.close()


def _open_soundfile(file: MediaFile, facts: AudioFacts, span: TimeSpan | None) -> _SoundFile | None:
    """None if soundfile refuses the file, which PyAV may accept."""
    import soundfile

    try:
        sound = soundfile.SoundFile(file)
        if _stops_early(sound, facts):
            sound.close()
            return None
        return _SoundFile(file, sound, facts, span)
    except (soundfile.LibsndfileError, RuntimeError):
        return None


def _stops_early(sound: Any, facts: AudioFacts) -> bool:
    """Whether libsndfile would not read all samples: of a WAV file that states no data, of a FLAC file that states no number of
    samples, or of an MP3 file with a variable bit rate and no table, whose length it estimates by the first frame."""
    if facts.format == "FLAC":
        return facts.duration is None
    expected = (facts.duration or 0) * sound.samplerate
    return expected - sound.frames > 0.25 * sound.samplerate if facts.format in ("WAV", "MP3") else False


class _SoundFile:
    def __init__(self, file: MediaFile, sound: Any, facts: AudioFacts, span: TimeSpan | None) -> None:
        self._file, self._sound = file, sound
        self._facts = facts
        self._span = span
        self.form = Form(sound.samplerate, sound.channels)

    def blocks(self) -> Iterator[Block]:
        """Read with libsndfile."""
        import numpy as np
        import soundfile

        rate = self.form.rate
        start, end = self._span or (0.0, None)
        left = None if end is None else round(end * rate) - round(start * rate)
        total = round(start * rate)
        try:
            if start and self._sound.seek(min(total, self._sound.frames)) < total:
                return
            while left is None or left > 0:
                wanted = BLOCK if left is None else min(BLOCK, left)
                block = self._sound.read(wanted, dtype="float32", always_2d=True)
                if not len(block):
                    break
                left = None if left is None else left - len(block)
                total += len(block)
                yield np.asarray(block)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            at_end = self._file.tell() >= self._file.size
            reason, why = ("truncated", "the file ends early") if at_end else ("damaged", str(error))
            raise MediaError(reason, f"the audio cannot be decoded: {why}") from error
        if left is None:
            check_complete(self._facts, total / rate)

    def close(self) -> None:
        self._sound.close()


def check_complete(facts: AudioFacts, decoded: float) -> None:
    """Raise MediaError if much less was decoded than the header states. The header of a WAV file is not trusted at all."""
    if facts.format == "WAV" or facts.duration is None:
        return
    if facts.duration - decoded > max(0.25, 0.01 * facts.duration):
        raise MediaError("truncated", f"the file ends after {decoded:.1f} of {facts.duration:.1f} seconds")


def facts_of(file: MediaFile) -> AudioFacts:
    """What the header of a file states. Raises MediaError."""
    return _container_facts(file) if needs_decoder(file) else read_facts(file)


def needs_decoder(file: MediaFile) -> bool:
    """Whether only FFmpeg can read the header."""
    return is_matroska(file) or is_avi(file) or is_transport_stream(file)


def _container_facts(file: MediaFile) -> AudioFacts:
    """The facts of a container that only FFmpeg can read. Raises MediaError."""
    file.seek(0)
    with container(file) as opened:
        stream = audio_track(opened)
        duration = stream.duration * stream.time_base if stream.duration else None
        if duration is None and opened.duration and len(opened.streams) == 1:  # otherwise that of the longest track
            duration = opened.duration / 1_000_000
        name = opened.format.name.partition(",")[0]
        seconds = None if duration is None else float(duration)
        return AudioFacts(seconds, stream.rate, stream.channels, stream.codec_context.name, name)


class _Containers:
    """Audio that FFmpeg decodes."""

    def __init__(self, file: MediaFile, span: TimeSpan | None) -> None:
        self._context = container(file)
        self._opened = self._context.__enter__()
        self._span = span
        try:
            self._stream = audio_track(self._opened)
            self._stream.thread_count = 1
            self.form = Form(self._stream.rate, self._stream.channels)
        except BaseException:
            self.close()
            raise

    def blocks(self) -> Iterator[Block]:
        """Read with FFmpeg; its small frames are joined."""
        import numpy as np

        waiting: list[Block] = []
        held = 0
        for part in self._parts():
            waiting.append(part)
            held += len(part)
            if held >= BLOCK:
                yield np.concatenate(waiting)
                waiting, held = [], 0
        if waiting:
            yield np.concatenate(waiting)

    def _parts(self) -> Iterator[Block]:
        """The samples of each frame that are within the time span, by their time stamps."""
        rate = self.form.rate
        start, end = self._span or (0.0, None)
        first, last = round(start * rate), None if end is None else round(end * rate)
        at: int | None = None
        origin = max(0, self._stream.start_time or 0)
        if start:
            self._opened.seek(origin + int(max(0.0, start - SEEK_EARLY) / self._stream.time_base), stream=self._stream)
        for frame in self._frames():
            if frame.sample_rate != rate or frame.layout.nb_channels != self.form.channels:
                raise MediaError("unsupportedFormat", "the sample rate or the number of channels changes within the file")
            if at is None:
                at = round(float((frame.pts - origin) * frame.time_base) * rate) if start and frame.pts is not None else 0
            samples = _samples(frame, self.form.channels)
            skipped = max(0, first - at)
            stop = len(samples) if last is None else max(0, min(len(samples), last - at))
            at += len(samples)
            if skipped < stop:
                yield samples[skipped:stop]
            if last is not None and at >= last:
                return

    def _frames(self) -> Iterator[Any]:
        with decoding("audio"):
            yield from self._opened.decode(self._stream)

    def close(self) -> None:
        self._context.__exit__(None, None, None)


def _samples(frame: Any, channels: int) -> Block:
    """Frames x channels, scaled to 1."""
    import numpy as np

    found: Any = frame.to_ndarray()
    found = found.T if frame.format.is_planar else found.reshape(-1, channels)
    if found.dtype.kind == "f":
        return np.ascontiguousarray(found, np.float32)
    if found.dtype == np.uint8:
        return np.asarray((found.astype(np.float32) - 128) / np.float32(128), order="C")
    scale = np.float32(np.iinfo(found.dtype).max + 1.0)
    return np.asarray(found.astype(np.float32) / scale, order="C")
