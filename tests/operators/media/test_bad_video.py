"""Video that is damaged, odd or malicious: every file has a defined result in every step."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from datajob.errors import plain
from datajob.operators.video.black_frames import BlackFrames
from datajob.operators.video.extract_audio import ExtractAudio
from datajob.operators.video.extract_frames import ExtractFrames
from datajob.operators.video.split_duration import SplitDuration
from datajob.operators.video.static_video import StaticVideo
from datajob.operators.video.video_aspect import VideoAspect
from datajob.operators.video.video_duration import VideoDuration
from datajob.operators.video.video_fps import VideoFps
from datajob.operators.video.video_resolution import VideoResolution
from tests.support.pictures import encoded
from tests.support.sounds import file as sound
from tests.support.sounds import noise
from tests.support.videos import batch, gray, measure, moving, numbered, video, with_index_first

MP4, MKV, AVI = video(moving(30)), video(moving(30), "matroska"), video(moving(30), "avi")
TS = video(moving(50), "mpegts", "mpeg2video", fps=25)
FRAMES = BlackFrames(max=1)
HEADERS = (VideoDuration(min=0), VideoFps(min=0), VideoResolution(min_side=1), VideoAspect())
FILTERS = (*HEADERS, FRAMES, StaticVideo(max=1))


def renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    """The file with other bytes at the first place of some bytes."""
    assert old in data
    return data.replace(old, new, 1)


def without_frames(data: bytes) -> bytes:
    """An MP4 whose table of frames is empty."""
    at = data.index(b"stsz") + 12
    return data[:at] + bytes(4) + data[at + 4 :]


def with_cover(kind: str) -> bytes:
    """Audio with a cover picture, which containers store as a video track."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=kind) as container:
        audio: Any = container.add_stream("aac", rate=16_000, layout="mono")
        cover: Any = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 64
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(gray(90, 64, 64), format="rgb24")))
        container.mux(cover.encode(None))
        frame: Any = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate, frame.pts = 16_000, 0
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return stream.getvalue()


def subtitles_only() -> bytes:
    """Matroska whose only track is subtitles."""
    stream = io.BytesIO()
    text = io.BytesIO(b"WEBVTT\n\n00:00.000 --> 00:01.000\nHi\n")
    with av.open(text, format="webvtt") as source, av.open(stream, "w", format="matroska") as container:
        track: Any = container.add_stream_from_template(source.streams[0])
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = track
                container.mux(packet)
    return stream.getvalue()


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n"
REFUSED: dict[str, tuple[bytes | None, str]] = {
    "null": (None, "noMedia"),
    "no bytes": (b"", "empty"),
    "text": (b"this is no video, whatever its name states", "notVideo"),
    "zeros": (bytes(5000), "notVideo"),
    "a playlist": (PLAYLIST, "unsupportedFormat"),
    "a list of files": (b"ffconcat version 1.0\nfile /etc/passwd\n", "unsupportedFormat"),
    "a manifest of DASH": (b"<?xml version='1.0'?><MPD/>", "unsupportedFormat"),
    "subtitles": (b"WEBVTT\n\n00:00.000 --> 00:01.000\nHi\n", "unsupportedFormat"),
    "Matroska with subtitles only": (subtitles_only(), "noVideo"),
    "WMV": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(60), "unsupportedFormat"),
    "an image": (encoded(Image.new("RGB", (9, 9)), "JPEG"), "notVideo"),
    "a WAV file": (sound(noise(1)), "notVideo"),
    "audio in an MP4": (sound(noise(1), "m4a"), "noVideo"),
    "audio with a cover picture": (with_cover("mp4"), "noVideo"),
    "an MP4 that ends before its index": (MP4[: MP4.rindex(b"moov") - 4], "truncated"),
    "an MP4 of which only the header remains": (MP4[:40], "truncated"),
    "an encrypted MP4": (renamed(MP4, b"mp4v", b"encv"), "encrypted"),
    "an MP4 without frames": (without_frames(MP4), "noFrames"),
    "a Matroska file that ends within its header": (MKV[:200], "truncated"),
    "an AVI file that ends within its header": (AVI[:100], "damaged"),
    "a transport stream without a picture": (TS[: 188 * 3] * 4, "noFrames"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_usable_fails_its_row_with_a_reason(name: str) -> None:
    value, expected = REFUSED[name]
    for step in FILTERS:
        rows = batch([value, MP4])
        codes = step.keep(rows).codes.tolist()
        found = {at: plain(why).partition(":")[0] for at, why in rows.failures.items()}
        assert found == {0: expected} and codes[1] == 0, step.key


@pytest.mark.parametrize("name", REFUSED)
def test_steps_that_add_columns_fail_the_same_rows(name: str, tmp_path: Path) -> None:
    value, expected = REFUSED[name]
    if value is None:
        return
    (tmp_path / "a").write_bytes(value)
    for make in (ExtractFrames().apply, SplitDuration(min_last=0).expand, ExtractAudio(optional=True).apply):
        rows = batch([str(tmp_path / "a")])
        make(rows)
        assert [plain(why).partition(":")[0] for why in rows.failures.values()] == [expected]


def two_sizes() -> bytes:
    """A transport stream whose frames change their size."""
    return video(moving(13, 64, 48), "mpegts", "mpeg2video", fps=25) + video(moving(13, 96, 64), "mpegts", "mpeg2video", fps=25)


def long_still() -> bytes:
    """Two frames, ten hours apart."""
    return video([gray(90), gray(90)], "matroska", times=[0, 36_000_000])


def negative_times() -> bytes:
    """A transport stream whose time stamps wrap from the largest value to zero within the video."""
    return shifted(TS, -90_000 * 2)  # the first one is at 1.48 s


def shifted(data: bytes, ticks: int) -> bytes:
    """A transport stream with other time stamps (33 bits)."""
    found = bytearray(data)
    for at, count in _headers(data):
        for place in range(at + 9, at + 9 + 5 * count, 5):
            field = found[place : place + 5]
            time = (field[0] >> 1 & 7) << 30 | field[1] << 22 | field[2] >> 1 << 15 | field[3] << 7 | field[4] >> 1
            time = (time + ticks) % (1 << 33)
            middle = time >> 14 & 0xFE | 1, time >> 7 & 255, time << 1 & 0xFE | 1
            found[place : place + 5] = bytes([field[0] & 0xF1 | time >> 29 & 0xE, time >> 22 & 255, *middle])
    return bytes(found)


def without_times() -> bytes:
    """A transport stream in which every fifth frame has time stamps."""
    found = bytearray(TS)
    for number, (at, _) in enumerate(_headers(TS)):
        if number % 5:
            found[at + 7] &= 0x3F
    return bytes(found)


def _headers(data: bytes) -> Iterator[tuple[int, int]]:
    """The position of each header of a frame in a transport stream, and the number of its time stamps."""
    at = -1
    while (at := data.find(b"\0\0\1\xe0", at + 1)) >= 0:
        yield at, {0: 0, 2: 1, 3: 2}[data[at + 7] >> 6]


def from_the_middle() -> bytes:
    """A transport stream that begins with B-frames whose key frame is missing, as recordings do."""
    data = video(moving(50), "mpegts", "mpeg2video", fps=25, bf="2")
    return data[len(data) // 188 // 6 * 188 :]


ODD: dict[str, tuple[Callable[[], bytes], float | None]] = {
    "a variable frame rate": (lambda: video(moving(4), times=[0, 100, 2000, 2100]), None),
    "times that start late": (lambda: video(moving(10), "matroska", times=[5000 + 100 * n for n in range(10)]), None),
    "times that wrap": (negative_times, 2),
    "frames without times": (without_times, 1.9),
    "frames before the first key frame": (from_the_middle, None),
    "B-frames": (lambda: video(moving(25), "mp4", "mpeg2video", fps=25, bf="2"), 1),
    "AVI with B-frames": (lambda: video(moving(25), "avi", "mpeg4", fps=25, bf="2"), 1),
    "10 bits": (lambda: video(moving(10), "matroska", "ffv1", pixels="yuv420p10le"), 1),
    "RGB": (lambda: video(moving(10), "matroska", "ffv1", pixels="bgr0"), 1),
    "gray": (lambda: video(moving(10), "matroska", "ffv1", pixels="gray"), 1),
    "interlaced": (lambda: video(moving(25), "mp4", "mpeg2video", fps=25, flags="+ildct+ilme"), 1),
    "odd sizes": (lambda: video(moving(10, 63, 47), "matroska", "ffv1"), 1),
    "one frame": (lambda: video(moving(1)), 0.1),
    "fragments": (lambda: video(moving(30), movflags="frag_keyframe+empty_moov"), 3),
    "no duration": (lambda: video(moving(30), "matroska", live="1"), 3),
    "rotation": (lambda: video(moving(10), rotation=90), 1),
    "sizes that change": (two_sizes, None),
    "ten hours of one picture": (long_still, None),
    "a second video track": (lambda: MP4, 3),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_has_a_value_in_every_step(name: str) -> None:
    make, seconds = ODD[name]
    value = make()
    if seconds is not None:
        assert measure(VideoDuration(min=0), value) == pytest.approx([seconds], abs=0.11)
    for step in FILTERS:
        assert np.isfinite(measure(step, value)).all(), step.key
    for select in ("uniform", "key"):
        rows = batch([value])
        [row] = ExtractFrames(select=select).apply(rows).to_pylist()
        assert row["frames"] and row["frameTimes"] == sorted(row["frameTimes"]), plain(str(rows.failures))
        assert row["frameTimes"][0] == pytest.approx(0, abs=0.05 if seconds else 0.13)  # AVI has no time stamps


@pytest.mark.parametrize("kind", ["mp4", "matroska", "avi"])
def test_a_truncated_file_fails_where_its_frames_are_needed(kind: str) -> None:
    whole = with_index_first(MP4) if kind == "mp4" else {"matroska": MKV, "avi": AVI}[kind]
    for step in (FRAMES, StaticVideo(max=1)):
        rows = batch([whole[: len(whole) * 2 // 3]])
        step.keep(rows)
        assert plain(rows.failures[0]).partition(":")[0] in ("truncated", "damaged")
    rows = batch([whole[: len(whole) * 2 // 3]])
    ExtractFrames(select="key").apply(rows)
    assert plain(rows.failures[0]).partition(":")[0] in ("truncated", "damaged")


@pytest.mark.parametrize("kind", ["mp4", "matroska", "avi", "mpegts"])
def test_damaged_bytes_never_end_the_job(kind: str) -> None:
    codec = "mpeg2video" if kind == "mpegts" else "mpeg4"
    good = video(numbered(25), kind, codec, fps=25)
    dice = random.Random(7)
    values = []
    for _ in range(30):
        data = bytearray(good)
        for _ in range(dice.randint(1, 30)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        values.append(bytes(data[: dice.randrange(1, len(data) + 1)] if dice.random() < 0.3 else data))
    for step in (FRAMES, VideoDuration(min=0)):
        rows = batch([*values, good])
        codes = step.keep(rows).codes
        assert len(codes) == 31 and codes[30] == 0 and 30 not in rows.failures
        assert all(":" in plain(why) or plain(why).isalpha() for why in rows.failures.values())
    rows = batch([*values, good])
    assert ExtractFrames(count=2).apply(rows).num_rows == 31


def test_a_video_that_refers_to_another_file_does_not_open_it(tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(MP4)
    playlists = {"a.m3u8": f"#EXTM3U\n#EXTINF:3,\n{tmp_path}/secret.mp4\n", "b.mp4": f"ffconcat\nfile {tmp_path}/secret.mp4\n"}
    for name, text in playlists.items():
        (tmp_path / name).write_text(text)
        rows = batch([str(tmp_path / name)])
        FRAMES.keep(rows)
        assert plain(rows.failures[0]).partition(":")[0] == "unsupportedFormat"
