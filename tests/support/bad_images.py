"""Images that are damaged, malicious or rare, each with a defined result."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tests.support.pictures import encoded, photo

REFUSED = "notAnImage|damaged|truncated"


class Bad(NamedTuple):
    """An encoded image, and the reasons (separated by `|`) for which it fails; None if it has a result."""

    data: bytes | None
    header: str | None
    """In steps that only read headers."""
    pixels: str | None


def png(width: int, height: int, data: bytes | None = None, *, bits: int = 8, color: int = 2) -> bytes:
    """A PNG with this header, and few or no pixels."""
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000)) if data is None else data)]
    body = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in [*chunks, (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header states another size."""
    data = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def with_exif(data: bytes, content: bytes) -> bytes:
    """A JPEG with this EXIF segment."""
    segment = b"\xff\xe1" + struct.pack(">H", len(content) + 8) + b"Exif\0\0" + content
    return data[:2] + segment + data[2:]


def ycck() -> bytes:
    """A JPEG of four colors, of which three are transformed (Adobe's marker with transform 2)."""
    data = bytearray(encoded(SMALL.convert("CMYK"), "JPEG", quality=95))
    at = data.index(b"Adobe") + 11
    assert data[at] == 0
    data[at] = 2
    return bytes(data)


def _orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


SMALL = photo("china").resize((64, 42))
_TURNED = [SMALL.rotate(10 * i) for i in (1, 2)]
_RGB16 = zlib.compress(b"".join(b"\0" + bytes(range(96)) for _ in range(16)))
_CLEAR = SMALL.convert("RGBA")
_CLEAR.putalpha(128)


@cache
def bad_images() -> dict[str, Bad]:
    """Images that have no pixels, or cannot be decoded."""
    photo_jpeg, photo_png = encoded(SMALL, "JPEG", quality=95), encoded(SMALL, "PNG")
    too_many = "tooManyPixels"
    return {
        "null": Bad(None, "noMedia", "noMedia"),
        "zero bytes": Bad(b"", "empty", "empty"),
        "text": Bad(b"hello, world", "notAnImage", "notAnImage"),
        "zeros": Bad(bytes(1000), "notAnImage", "notAnImage"),
        "truncated JPEG": Bad(photo_jpeg[: len(photo_jpeg) // 2], None, "truncated"),
        "truncated PNG": Bad(photo_png[: len(photo_png) // 2], None, "truncated"),
        "JPEG without its last bytes": Bad(photo_jpeg[:-200], None, "truncated"),
        "start of a JPEG": Bad(photo_jpeg[:100], REFUSED, REFUSED),
        "only a start marker": Bad(b"\xff\xd8\xff", REFUSED, REFUSED),
        "20,000 x 20,000": Bad(png(20_000, 20_000), None, too_many),
        "2 GB of zeros": Bad(png(46_000, 46_000), None, too_many),
        "largest PNG": Bad(png((1 << 31) - 1, (1 << 31) - 1), None, too_many),
        "65,500 high": Bad(jpeg(3000, 65_500), None, too_many),
        "largest JPEG": Bad(jpeg(65_500, 65_500), None, too_many),
        "less data than the header states": Bad(png(3000, 3000), None, "truncated|damaged"),
        "no pixels": Bad(png(0, 10), "notAnImage|damaged", "notAnImage|damaged"),
        "a chunk of 2 GB": Bad(
            png(20, 20)[:33] + struct.pack(">I", (1 << 31) - 1) + b"tEXt" + bytes(100), None, "truncated|damaged"
        ),
        **{
            name: Bad(start + bytes(2880), "unsupportedFormat", "unsupportedFormat")
            for name, start in {
                "HEIC": b"\0\0\0\x18ftypheic",
                "PDF": b"%PDF-1.7\n",
                "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
                "FITS": b"SIMPLE  =                    T",
                "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
                "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
                "ICO": encoded(SMALL, "ICO"),
                "PPM": encoded(SMALL, "PPM"),
            }.items()
        },
    }


@cache
def rare_images() -> dict[str, bytes]:
    """Images of rare kinds, which have pixels."""
    photo_jpeg = encoded(SMALL, "JPEG", quality=95)
    animated: dict[str, Any] = {"save_all": True, "append_images": _TURNED}
    return {
        "more data than the header states": png(10, 10, zlib.compress(bytes(50_000_000))),
        "broken EXIF": with_exif(photo_jpeg, b"II*\0\xff\xff\xff\xff" + bytes(50)),
        "EXIF of garbage": with_exif(photo_jpeg, bytes(range(200))),
        **{f"orientation {o}": encoded(SMALL, "JPEG", exif=_orientation(o)) for o in (0, 6, 9)},
        "1 x 1": encoded(Image.new("1", (1, 1))),
        "1 x 4,000": encoded(Image.new("L", (1, 4000)), "JPEG"),
        "4,000 x 1": encoded(Image.new("RGB", (4000, 1), "teal")),
        "CMYK": encoded(SMALL.convert("CMYK"), "JPEG"),
        "YCCK": ycck(),
        "16 bits, gray": encoded(Image.fromarray(np.full((20, 30), 0x8000, np.uint16))),
        "16 bits, RGB": png(16, 16, _RGB16, bits=16),
        "palette with alpha": encoded(_CLEAR.quantize(16)),
        "gray with alpha": encoded(_CLEAR.convert("LA")),
        "transparent WebP": encoded(_CLEAR, "WEBP"),
        "1 bit": encoded(SMALL.convert("1")),
        "floats": encoded(SMALL.convert("F"), "TIFF"),
        **{f"animated {kind}": encoded(SMALL.convert("RGB"), kind, **animated) for kind in ("GIF", "WEBP", "PNG")},
        "MPO": encoded(SMALL, "MPO", **animated),
        "progressive": encoded(SMALL, "JPEG", progressive=True),
        "AVIF": encoded(SMALL, "AVIF"),
        "BMP": encoded(SMALL, "BMP"),
    }
