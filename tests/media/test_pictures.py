"""Pictures of media for people: small, and none for values that cannot be decoded."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from datajob.media.pictures import MAX_CHARACTERS, SIDE, picture_of


def encoded(form: str, size: tuple[int, int] = (900, 300), mode: str = "RGB") -> bytes:
    data = io.BytesIO()
    Image.effect_noise(size, 80).convert(mode).save(data, form)
    return data.getvalue()


def drawn(data: bytes) -> Image.Image:
    uri = picture_of((memoryview(data),))
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
    assert picture_of((memoryview(data),)) is None


def test_audio_has_a_waveform() -> None:
    soundfile = pytest.importorskip("soundfile", reason="an optional decoder")
    data = io.BytesIO()
    soundfile.write(data, np.sin(np.arange(48_000) / 20) * np.linspace(0, 1, 48_000), 16_000, format="WAV")
    uri = picture_of((data.getbuffer(),))
    assert uri is not None and uri.startswith("data:image/svg+xml;base64,") and len(uri) < MAX_CHARACTERS
    assert base64.b64decode(uri.partition(",")[2]).count(b"M") == 160


def test_video_has_a_key_frame() -> None:
    av = pytest.importorskip("av", reason="an optional decoder")
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 256, 64, "yuv420p"
        for i in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((64, 256, 3), i * 20, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert drawn(data.getvalue()).size == (128, 32)
