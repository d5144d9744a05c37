"""Audio in rare containers and with odd time stamps: its duration and its samples are those that players hear."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from datajob.operators.audio.audio_duration import AudioDuration
from datajob.operators.audio.audio_format import AudioFormat
from datajob.operators.audio.loudness import Loudness
from datajob.operators.audio.resample_audio import ResampleAudio
from tests.support.sounds import Samples, change, decoded, file, measure, noise, reasons, silence

RATE = 16_000
SOUND = noise(3)


class Pipe(io.BytesIO):
    """A file that cannot be changed after it was written, so that its header states no duration."""

    def seekable(self) -> bool:
        return False


def muxed(kind: str, codec: str, start: int = 0, cover: bool = False, stream: io.BytesIO | None = None) -> bytes:
    """The sound in a container; `start` is the time stamp of the first sample."""
    target = stream or io.BytesIO()
    with av.open(target, "w", format=kind) as container:
        audio: Any = container.add_stream(codec, rate=RATE, layout="mono")
        if cover:
            picture: Any = container.add_stream("mjpeg", rate=1)
            picture.width = picture.height = 64
            picture.pix_fmt = "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 99, np.uint8), format="rgb24")))
            container.mux(picture.encode(None))
        form = audio.codec_context.format.name
        for at in range(0, len(SOUND), 1024):
            part = np.ascontiguousarray(SOUND[at : at + 1024].T)
            if form == "s16":
                part = (part.clip(-1, 1) * 32767).astype(np.int16)
            frame: Any = av.AudioFrame.from_ndarray(part, format=form, layout="mono")
            frame.rate, frame.pts, frame.time_base = RATE, start + at, Fraction(1, RATE)
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return target.getvalue()


def variable_mp3() -> bytes:
    """Silence, then noise, with a variable bit rate and without the table that states the number of frames."""
    stream = io.BytesIO()
    samples = np.concatenate([silence(5), SOUND])
    with soundfile.SoundFile(stream, "w", RATE, 1, format="MP3", bitrate_mode="VARIABLE", compression_level=0.2) as sound:
        sound.write(samples)
    data = stream.getvalue()
    at = max(data.find(b"Xing"), data.find(b"Info"))
    return data if at < 0 else data[:at] + bytes(4) + data[at + 4 :]


def streamed_flac() -> bytes:
    """A FLAC file whose header states no number of samples, as encoders write to a pipe."""
    data = bytearray(file(SOUND, "flac"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


UNUSUAL: dict[str, tuple[Callable[[], bytes], float]] = {
    "an M4A with a cover picture": (lambda: muxed("mp4", "aac", cover=True), 3),
    "an MP3 with a variable bit rate and no table": (variable_mp3, 8),
    "a FLAC without a number of samples": (streamed_flac, 3),
    "a Matroska file": (lambda: muxed("matroska", "flac"), 3),
    "a Matroska file without a duration": (lambda: muxed("matroska", "flac", stream=Pipe()), 3),
    "an AVI file, which has no time stamps": (lambda: muxed("avi", "pcm_s16le"), 3),
    "a transport stream": (lambda: muxed("mpegts", "aac"), 3),
    "a transport stream that starts at 100 seconds": (lambda: muxed("mpegts", "aac", start=100 * RATE), 3),
    "negative time stamps": (lambda: muxed("matroska", "flac", start=-RATE), 3),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_file_has_all_its_samples(name: str) -> None:
    make, seconds = UNUSUAL[name]
    data = make()
    assert measure(AudioDuration(exact=True, min=0), data) == pytest.approx([seconds], abs=0.15)
    assert reasons(AudioFormat(), data) == [None]
    [found] = change(ResampleAudio(rate=8000), data)
    assert isinstance(found, bytes), found
    samples, rate = decoded(found)
    assert (rate, len(samples)) == (8000, pytest.approx(8000 * seconds, abs=1200))
    wanted: Samples = np.concatenate([silence(seconds - 3), SOUND])
    assert measure(Loudness(min=None, max=None), data) == pytest.approx(
        measure(Loudness(min=None, max=None), file(wanted)), abs=0.7
    )


@pytest.mark.parametrize("name", UNUSUAL)
def test_the_duration_in_the_header_of_an_unusual_file_is_right_or_counted(name: str) -> None:
    make, seconds = UNUSUAL[name]
    [found] = measure(AudioDuration(min=0), data := make())
    assert found == pytest.approx(seconds, abs=0.15) or reasons(AudioDuration(min=0), data) == ["notMeasurable"]


def test_a_container_with_subtitles_only_has_no_audio() -> None:
    data = muxed("matroska", "flac")
    assert data.count(b"\x83\x81\x02") == 1
    subtitles = data.replace(b"\x83\x81\x02", b"\x83\x81\x11")
    for step in (AudioDuration(), AudioFormat(), Loudness()):
        assert reasons(step, subtitles) == ["noAudio"]
