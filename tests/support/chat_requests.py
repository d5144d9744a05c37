"""Chat requests with texts and images."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

from tests.support.serving import Running

CHAT = "/v1/chat/completions"
USER = [{"role": "user", "content": "a b c"}]


def chat(**fields: Any) -> dict[str, Any]:
    """A valid chat request with some other fields."""
    return {"model": "test", "messages": USER, **fields}


def with_image(url: str) -> dict[str, Any]:
    """A chat request with an image."""
    return chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])


def data_url(data: bytes) -> str:
    """An image as data URL."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def png(width: int, height: int, rows: int = 1) -> bytes:
    """A PNG whose header states a size, with pixels for some rows only."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" * (width + 1)) * rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff() -> bytes:
    """An image of a format that is not accepted."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "TIFF")
    return stream.getvalue()


def check_alive(running: Running) -> None:
    """The next request is answered, and no request is left."""
    assert running.post(CHAT, chat())[2]["choices"][0]["message"]["content"] == "a b c"
    assert running.service.admission.in_progress == 0
