"""Pictures of media for people: small, and none for values that cannot be decoded."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from datajob.media.files import MediaFile
from datajob.media.pictures import MAX_CHARACTERS, SIDE, WIDTH, picture_of
from datajob.media.references import TimeSpan
from tests.support.sounds import file, silence, sine


def encoded(form: str, size: tuple[int, int] = (900, 300), mode: str = "RGB") -> bytes:
    data = io.BytesIO()
    Image.effect_noise(size, 80).convert(mode).save(data, form)
    return data.getvalue()


def drawn(data: bytes) -> Image.Image:
    uri = picture_of(MediaFile.of(data))
    assert uri is not None and len(uri) <= MAX_CHARACTERS
    kind, _, content = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize(("form", "mode"), [("JPEG", "RGB"), ("PNG", "LA"), ("WEBP", "RGB"), ("GIF", "P"), ("TIFF", "CMYK")])
def test_an_image_has_a_thumbnail(form: str, mode: str) -> None:
    assert drawn(encoded(form, mode=mode)).size == (SIDE, 43)


@pytest.mark.parametrize(
    "data",
    [
        *[b"", b"text", encoded("PNG")[:2000], b"\xff\xd8\xff" + bytes(50), b"%PDF-1.4", b"#EXTM3U\n/etc/passwd"],
        *[b"RIFF....WAVE", b"\x00\x00\x00\x1cftypisom" + bytes(40), b"GIF8"],
    ],
    ids=range(9),
)
def test_a_value_that_cannot_be_decoded_has_no_picture(data: bytes) -> None:
    assert picture_of(MediaFile.of(data)) is None


def waveform(data: bytes, span: TimeSpan | None = None) -> tuple[list[float], str]:
    """The height of each column, and the label."""
    uri = picture_of(MediaFile.of(data), span)
    assert uri is not None and uri.startswith("data:image/svg+xml;base64,") and len(uri) < MAX_CHARACTERS
    svg = base64.b64decode(uri.partition(",")[2]).decode()
    heights = [float(bottom) - float(top) for top, bottom in re.findall(r"M[\d.]+ ([\d.-]+)V([\d.-]+)", svg)]
    [label] = re.findall(">([^<]+)</text>", svg)
    return heights, label


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_audio_has_a_waveform_with_its_duration(kind: str) -> None:
    heights, label = waveform(file(np.concatenate([silence(2), sine(level=-6, seconds=2)]), kind))
    assert len(heights) == WIDTH and label in ("4.0 s", "4.1 s")
    assert max(heights[:70]) < 2 and min(heights[90:150]) > 15


def test_the_waveform_of_a_part_and_of_long_audio() -> None:
    data = file(np.concatenate([silence(2), sine(level=-6, seconds=2)]), "flac")
    heights, label = waveform(data, (2.5, 3.0))
    assert min(heights) > 15 and label == "0.5 s"
    long = file(silence(3700, rate=8000), "flac", rate=8000)
    assert waveform(long)[1] == "first 1:00 min of 1:01:40 h"
    assert waveform(long, (3000.0, None))[1] == "first 1:00 min of 11:40 min"
    assert picture_of(MediaFile.of(long), (4000.0, 4001.0)) is None


def test_video_has_a_key_frame() -> None:
    av = pytest.importorskip("av", reason="an optional decoder")
    data, sound = io.BytesIO(), io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 256, 64, "yuv420p"
        for i in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((64, 256, 3), i * 20, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert drawn(data.getvalue()).size == (128, 32)
    late = picture_of(MediaFile.of(data.getvalue()), (0.4, 0.5))
    assert late is not None and np.asarray(Image.open(io.BytesIO(base64.b64decode(late.partition(",")[2])))).mean() > 70
    with av.open(sound, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(sine(seconds=1).T[:, :1024].copy(), format="fltp", layout="mono")
        frame.rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    assert waveform(sound.getvalue())[1] == "0.1 s", "audio in a container for video"
