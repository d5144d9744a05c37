"""Files with several tracks: all steps use the first video track that is no cover picture, and the first audio track."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from datajob.errors import plain
from datajob.operators.audio.resample_audio import ResampleAudio
from datajob.operators.base import Batch
from datajob.operators.dedup.video_dedup import VideoDedup
from datajob.operators.video.black_frames import BlackFrames
from datajob.operators.video.cut_media import CutMedia
from datajob.operators.video.extract_audio import ExtractAudio
from datajob.operators.video.extract_frames import ExtractFrames
from datajob.operators.video.video_resolution import VideoResolution
from tests.support.pictures import encoded
from tests.support.sounds import decoded
from tests.support.videos import add_sound, batch, gray, measure

RATE = 16_000
COVER = encoded(Image.new("RGB", (32, 32), (9, 9, 9)), "JPEG")


def tracks(kind: str, first: int = 200, second: int = 16, cover: bool = True) -> bytes:
    """A cover, audio of 440 Hz, 2 seconds of one level, audio of 880 Hz, and 4 seconds of another level and size."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=kind) as container:
        writer: Any = container
        if cover and kind == "matroska":
            writer.add_attachment("cover.jpg", "image/jpeg", COVER)
        sounds = [_sound(writer)]
        videos = [_video(writer, 64, 48)]
        sounds.append(_sound(writer))
        videos.append(_video(writer, 96, 64))
        picture = _cover(writer) if cover and kind == "mp4" else None
        if picture is not None:
            writer.mux(picture.encode(av.VideoFrame.from_ndarray(gray(9, 32, 32), format="rgb24")))
            writer.mux(picture.encode(None))
        for track, level, seconds in zip(videos, (first, second), (2, 4), strict=True):
            for _ in range(10 * seconds):
                frame = av.VideoFrame.from_ndarray(gray(level, track.width, track.height), format="rgb24")
                writer.mux(track.encode(frame))
            writer.mux(track.encode(None))
        for track, hertz in zip(sounds, (440, 880), strict=True):
            samples = np.sin(2 * np.pi * hertz * np.arange(2 * RATE) / RATE).astype(np.float32)[:, None] / 3
            add_sound(writer, track, samples)
    return stream.getvalue()


def _sound(writer: Any) -> Any:
    return writer.add_stream("aac", rate=RATE, layout="mono")


def _video(writer: Any, width: int, height: int) -> Any:
    track = writer.add_stream("mpeg4", rate=10)
    track.width, track.height, track.pix_fmt, track.gop_size = width, height, "yuv420p", 10
    return track


def _cover(writer: Any) -> Any:
    track = writer.add_stream("mjpeg", rate=1)
    track.width = track.height = 32
    track.pix_fmt, track.disposition = "yuvj420p", av.stream.Disposition.attached_pic
    return track


def pitch(data: bytes) -> float:
    """The loudest frequency."""
    samples, rate = decoded(data)
    return float(np.abs(np.fft.rfft(samples[:, 0])).argmax()) * rate / len(samples)


@pytest.mark.parametrize("kind", ["mp4", "matroska", "mpegts"])
def test_every_step_uses_the_first_tracks(kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / "a")
    Path(path).write_bytes(tracks(kind))
    assert measure(VideoResolution(min_side=1), path) == [48] and measure(BlackFrames(max=1), path) == [0]
    [row] = ExtractFrames(count=2).apply(batch([path])).to_pylist()
    images = [Image.open(io.BytesIO(image["bytes"])).convert("L") for image in row["frames"]]
    assert [image.size for image in images] == [(64, 48), (64, 48)]
    assert [image.getpixel((9, 9)) for image in images] == pytest.approx([200, 200], abs=3)
    for how in ("reference", "copy"):
        table = ExtractAudio(format=how).apply(batch([path]))
        [audio] = ResampleAudio(column="audio").apply(Batch(table)).column("audio").to_pylist()
        assert pitch(audio["bytes"]) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(("kind", "again"), [("mp4", False), ("matroska", False), ("mpegts", False), ("matroska", True)])
def test_parts_have_the_first_tracks_only(kind: str, again: bool, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(tracks(kind))
    rows = batch([f"{tmp_path / 'a'}#t=0,1"])
    [value] = CutMedia(reencode=again).apply(rows).column("video").to_pylist()
    assert not rows.failures, plain(str(rows.failures))
    with av.open(io.BytesIO(value["bytes"])) as opened:
        assert sorted((track.type, getattr(track, "width", None)) for track in opened.streams) == [
            ("audio", None),
            ("video", 64),
        ]
    [audio] = ResampleAudio(column="video").apply(batch([value["bytes"]])).column("video").to_pylist()
    assert pitch(audio["bytes"]) == pytest.approx(440, abs=2)


def test_copies_are_compared_by_the_first_video_track() -> None:
    same, other = tracks("mp4", second=90), tracks("mp4", first=100)
    keys = VideoDedup().signatures(batch([tracks("mp4"), same, other])).column("key").to_pylist()
    assert keys[0] == keys[1] != keys[2]
