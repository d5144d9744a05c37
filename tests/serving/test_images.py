"""Images of requests: every form of a data URL, and the pixels that the model receives."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from urllib.parse import quote

import pytest
from PIL import Image, ImageOps

from datajob.serving.images import from_data_url
from tests.support.chat_requests import CHAT, check_alive, with_image
from tests.support.serving import Running


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """An image whose four quarters differ."""
    image = Image.new("RGB", (8, 6), (200, 30, 30))
    image.paste((20, 120, 220), (0, 0, 4, 3))
    image.paste((240, 240, 10), (4, 3, 8, 6))
    stream = io.BytesIO()
    image.convert(mode).save(stream, kind, **options)
    return stream.getvalue()


PNG = encoded("PNG")
TEXT = base64.b64encode(PNG).decode()
URLS: dict[str, str] = {
    "plain": f"data:image/png;base64,{TEXT}",
    "uppercase": f"DATA:IMAGE/PNG;BASE64,{TEXT}",
    "parameters": f"data:image/png;name=a.png;charset=utf-8;base64,{TEXT}",
    "no type": f"data:;base64,{TEXT}",
    "another type": f"data:image/jpeg;base64,{TEXT}",
    "spaces before the comma": f"data:image/png; base64 ,{TEXT}",
    "lines of 76 characters": "data:image/png;base64," + base64.encodebytes(PNG).decode(),
    "spaces around it": f"  data:image/png;base64,{TEXT}\n",
    "percent-encoded base64": "data:image/png;base64," + quote(TEXT, safe=""),
    "no padding": "data:image/png;base64," + TEXT.rstrip("="),
    "percent-encoded bytes": "data:image/png," + quote(PNG),
}


def digest(image: Image.Image) -> str:
    """What the engine of the tests answers for an image."""
    return hashlib.blake2b(image.convert("RGB").tobytes(), digest_size=4).hexdigest()


def answer(served: Running, url: str) -> str:
    """The answer to an image."""
    status, _, reply = served.post(CHAT, with_image(url))
    assert status == 200, reply
    return str(reply["choices"][0]["message"]["content"])


@pytest.mark.parametrize("name", URLS)
def test_every_form_of_a_data_url_is_read(served: Running, name: str) -> None:
    assert answer(served, URLS[name]) == digest(Image.open(io.BytesIO(PNG)))


def test_base64_without_padding_is_read_for_every_length() -> None:
    for size in range(1, 8):
        text = base64.b64encode(bytes(range(size))).decode().rstrip("=")
        assert from_data_url(f"data:image/png;base64,{text}", 100) == bytes(range(size))


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("JPEG", quality=95, exif=exif)


def _animated() -> bytes:
    frames = [Image.new("RGB", (8, 6), color) for color in ("red", "blue", "green")]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue()


IMAGES: dict[str, Callable[[], bytes]] = {
    "turned by EXIF": _turned,
    "CMYK": lambda: encoded("JPEG", "CMYK", quality=95),
    "grayscale": lambda: encoded("PNG", "L"),
    "palette": lambda: encoded("PNG", "P"),
    "first frame of an animation": _animated,
    "WebP": lambda: encoded("WEBP", lossless=True),
    "BMP": lambda: encoded("BMP"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_the_model_receives_the_pixels_that_a_viewer_shows(served: Running, name: str) -> None:
    data = IMAGES[name]()
    shown = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert answer(served, f"data:;base64,{base64.b64encode(data).decode()}") == digest(shown)
    check_alive(served)
