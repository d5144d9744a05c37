"""Audio that is damaged, odd or malicious: every file has a defined result in every step."""

from __future__ import annotations

import io
import os
import random
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pyarrow as pa
import pytest

from datajob.errors import plain
from datajob.media.audio_types import Form
from datajob.media.errors import MediaError
from datajob.media.isolation import run_isolated
from datajob.media.isolation.runner import Limits
from datajob.media.values import media_values
from datajob.operators.audio.audio_duration import AudioDuration
from datajob.operators.audio.audio_format import AudioFormat
from datajob.operators.audio.clipping import Clipping
from datajob.operators.audio.loudness import Loudness
from datajob.operators.audio.normalize_loudness import NormalizeLoudness
from datajob.operators.audio.resample_audio import ResampleAudio
from datajob.operators.media.audio_rows import AudioWork
from datajob.operators.media.audio_steps import SampleFilter
from datajob.operators.media.sections import Section
from tests.support.sounds import batch, change, decoded, file, measure, noise, reasons, silence

GOOD = noise(3)
WAV, FLAC, MP3, OGG, M4A = (file(GOOD, kind) for kind in ("wav", "flac", "mp3", "ogg", "m4a"))
DURATION = AudioDuration(exact=True)


def renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    """The file with other bytes at the first place of some bytes."""
    assert old in data
    return data.replace(old, new, 1)


def without_index(data: bytes) -> bytes:
    """An MP4 that ends before its index, which is at the end."""
    return data[: data.rindex(b"moov") - 4]


def video(audio: bool) -> bytes:
    """A short video."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        pictures: Any = container.add_stream("mpeg4", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        sound: Any = container.add_stream("aac", rate=16_000, layout="mono") if audio else None
        for _ in range(10):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(pictures.encode(None))
        if sound:
            for start in range(0, 16_384, 1024):
                frame: Any = av.AudioFrame.from_ndarray(GOOD[start : start + 1024].T.copy(), format="fltp", layout="mono")
                frame.rate, frame.pts = 16_000, start
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return stream.getvalue()


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n"
REFUSED: dict[str, tuple[bytes | None, str]] = {
    "null": (None, "noMedia"),
    "no bytes": (b"", "empty"),
    "text": (b"this is not audio, whatever its name states", "notAudio"),
    "zeros": (bytes(5000), "notAudio"),
    "a playlist": (PLAYLIST, "unsupportedFormat"),
    "subtitles": (b"WEBVTT\n\n00:00.000 --> 00:01.000\nHi\n", "unsupportedFormat"),
    "AIFF": (b"FORM\0\0\0\x20AIFF" + bytes(50), "unsupportedFormat"),
    "a WAV header that ends": (WAV[:30], "truncated"),
    "a WAV without data": (WAV[:36], "truncated"),
    "a WAV with 0 channels": (WAV[:22] + b"\0\0" + WAV[24:], "damaged"),
    "a FLAC header that ends": (FLAC[:20], "damaged"),
    "a truncated FLAC": (FLAC[: len(FLAC) // 2], "truncated"),
    "a truncated M4A": (without_index(M4A), "truncated"),
    "a truncated MP3 with a table": (MP3[: len(MP3) // 2], "truncated"),
    "encrypted M4A": (renamed(M4A, b"mp4a", b"enca"), "encrypted"),
    "video without audio": (video(audio=False), "noAudio"),
    "an Ogg stream without audio": (renamed(OGG, b"\x01vorbis", b"\x80theora"), "noAudio"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_used_fails_with_a_reason(name: str) -> None:
    data, reason = REFUSED[name]
    steps = (DURATION, Loudness(), Clipping())
    assert [reasons(step, data) for step in steps] == [[reason]] * 3
    for step in (ResampleAudio(rate=8000), NormalizeLoudness()):
        rows = batch([data, WAV])
        found = step.apply(rows)
        assert found.num_rows == 2 and plain(rows.failures[0]).startswith(f"{reason}:") and list(rows.failures) == [0]


@pytest.mark.parametrize("name", [name for name in REFUSED if "truncated FLAC" not in name and "with a table" not in name])
def test_header_steps_refuse_it_as_well(name: str) -> None:
    data, reason = REFUSED[name]
    assert reasons(AudioFormat(), data) == [reason]


def wav_stating(size: int) -> bytes:
    return WAV[:40] + struct.pack("<I", size) + WAV[44:]


def vbr_without_table() -> bytes:
    at = max(MP3.find(b"Xing"), MP3.find(b"Info"))
    return MP3[:at] + bytes(4) + MP3[at + 4 :]


def tagged(size: int) -> bytes:
    """An MP3 behind an ID3 tag, such as of a cover picture."""
    return b"ID3\x04\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + bytes(size) + MP3


DECODED: dict[str, tuple[Callable[[], bytes], float]] = {
    "a WAV that states too much": (lambda: wav_stating(500_000), 3),
    "a WAV that was written to a pipe": (lambda: wav_stating(0xFFFFFFFF), 3),
    "a WAV that states no data": (lambda: wav_stating(0), 3),
    "a truncated WAV": (lambda: WAV[: 44 + 32_000], 1),
    "an MP3 without a table": (vbr_without_table, 3),
    "an MP3 behind 10 MB of tags": (lambda: tagged(10_000_000), 3),
    "8 channels": (lambda: file(noise(3, channels=8)), 3),
    "8 kHz": (lambda: file(noise(3, rate=8000), rate=8000), 3),
    "192 kHz": (lambda: file(noise(3, rate=192_000), rate=192_000), 3),
    "24 bit": (lambda: file(GOOD, subtype="PCM_24"), 3),
    "8 bit": (lambda: file(GOOD, subtype="PCM_U8"), 3),
    "floating point beyond 1": (lambda: file(GOOD * 100, subtype="FLOAT"), 3),
    "A-law": (lambda: file(GOOD, subtype="ALAW"), 3),
    "audio of a video": (lambda: video(audio=True), 1),
}


@pytest.mark.parametrize("name", DECODED)
def test_an_odd_file_is_decoded(name: str) -> None:
    make, seconds = DECODED[name]
    data = make()
    assert measure(DURATION, data) == pytest.approx([seconds], abs=0.15)
    assert measure(AudioDuration(), data) == pytest.approx([seconds], abs=0.15)
    rows = batch([data])
    [found] = ResampleAudio(rate=24_000).apply(rows).column("audio").to_pylist()
    assert not rows.failures
    samples, rate = decoded(found)
    assert rate == 24_000 and len(samples) == pytest.approx(24_000 * seconds, abs=4000) and np.isfinite(samples).all()


def test_audio_without_samples_is_defined() -> None:
    none = file(np.zeros((0, 1), np.float32))
    assert reasons(DURATION, none) == ["duration_too_low"]
    assert reasons(Loudness(), none) == ["noSamples"]
    for kind in ("wav", "flac", "ogg"):
        assert change(ResampleAudio(rate=8000, format=kind), none) == ["noSamples"]


@pytest.mark.parametrize("frames", [1, 2, 10, 100])
def test_audio_of_a_few_samples_is_converted(frames: int) -> None:
    for rate in (8000, 44_100):
        [made] = change(ResampleAudio(rate=rate, format="flac"), file(GOOD[:frames]))
        assert abs(len(decoded(made)[0]) - frames * rate / 16_000) <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_numbers_fail(value: float) -> None:
    samples = GOOD.copy()
    samples[1000] = value
    data = file(samples, subtype="FLOAT")
    assert [reasons(step, data) for step in (Loudness(), Clipping())] == [["damaged"]] * 2


def test_audio_over_the_limit_fails_by_its_header_or_while_it_is_decoded() -> None:
    assert reasons(Loudness(max_duration=2), WAV) == ["tooLong"]
    lying = bytearray(FLAC)
    lying[21] &= 0xF0
    lying[22:26] = struct.pack(">I", 16_000)  # states 1 second
    assert reasons(Loudness(max_duration=2), bytes(lying)) in (["tooLong"], [None])


def test_a_playlist_never_opens_another_file(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(WAV)
    for name in ("a.m3u8", "a.wav", "a.ffconcat"):
        path = tmp_path / name
        path.write_bytes(PLAYLIST.replace(b"/etc/passwd", b"secret.wav"))
        assert reasons(DURATION, str(path)) == ["unsupportedFormat"]
    (tmp_path / "b.wav").write_text("ffconcat version 1.0\nfile secret.wav\n")
    assert reasons(DURATION, str(tmp_path / "b.wav")) == ["notAudio"]


def test_references_that_cannot_be_read_fail_their_rows(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "good.wav").write_bytes(WAV)
    paths = [str(tmp_path / name) for name in ("missing.wav", "empty.wav", "good.wav#bytes=0,99999999", "good.wav#t=9")]
    assert reasons(DURATION, *paths, str(tmp_path)) == ["notFound", "empty", "truncated", "duration_too_low", "notAFile"]


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_damaged_files_have_a_result_and_spare_their_neighbors(kind: str) -> None:
    choices = random.Random(f"damaged {kind}")
    good = file(GOOD, kind)
    values = [good]
    for _ in range(30):
        data = bytearray(good)
        for _ in range(choices.randrange(1, 8)):
            data[choices.randrange(len(data))] = choices.randrange(256)
        values += [bytes(data[: choices.randrange(1, len(data))] if choices.random() < 0.3 else data), good]
    rows = batch(values)
    found = Section((Loudness(min=None, max=None, output="lufs"), ResampleAudio(rate=8000))).run(rows)
    first, last = found.verdict(0, rows), found.verdict(1, rows)
    assert all(row % 2 for row in rows.failures)
    assert len(set(first.columns["lufs"].to_pylist()[::2])) == 1 and not last.codes.any()


def test_quiet_audio_is_silence_not_an_error() -> None:
    assert measure(Loudness(), file(silence(2), "mp3")) == [-70]


class Crash(SampleFilter):
    """Crashes or hangs at loud audio, as decoders do at damaged files."""

    abstract: ClassVar[bool] = True
    hangs: bool = False

    def meter(self, form: Form) -> Any:
        return _CrashMeter(self.hangs)


class _CrashMeter:
    def __init__(self, hangs: bool) -> None:
        self._hangs = hangs

    def add(self, block: Any) -> None:
        if abs(block).max() > 0.9:
            while self._hangs:
                pass
            os.kill(os.getpid(), signal.SIGSEGV)

    def value(self) -> float:
        return 1.0


@pytest.mark.parametrize(("hangs", "reason"), [(False, "decoderCrashed"), (True, "tooSlow")])
def test_a_crash_and_a_hang_fail_one_row(hangs: bool, reason: str) -> None:
    values = [WAV, file(np.full((16_000, 1), 0.95, np.float32)), FLAC]
    work = AudioWork((Crash(hangs=hangs),), lists=False)
    items: Any = list(work.inputs([(value,) for value in media_values(pa.array(values))], None))
    found = run_isolated(work, items, Limits(seconds=5 if hangs else 60))
    assert [one.reason if isinstance(one, MediaError) else one[0].values for one in found] == [((1.0,),), reason, ((1.0,),)]
