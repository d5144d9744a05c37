"""A file that contains fewer pixels than its header states fails: decoders fill the rest with black or gray in silence."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datajob.media.image import ImageError, decode
from datajob.media.picture import Need, Picture
from tests.support.bad_images import png
from tests.support.pictures import encoded, photo

PHOTO = photo("china").resize((96, 64))
ROWS = [b"\0" + row.tobytes() for row in np.asarray(PHOTO)]
BLACK = [b"\0" + bytes(96 * 3)] * 64
STRIPS, SIZES = 273, 279


def rows(content: list[bytes]) -> bytes:
    """A PNG whose compressed data are complete, of these rows."""
    return png(96, 64, zlib.compress(b"".join(content)))


def interlaced(size: tuple[int, int], share: float = 1) -> bytes:
    """An interlaced white PNG in gray with a share of its compressed rows."""
    width, height = size
    passes = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
    found = [
        b"\0" + b"\xff" * len(range(left, width, right))
        for top, down, left, right in passes
        for _ in range(top, height, down)
        if left < width
    ]
    data = bytearray(png(width, height, zlib.compress(b"".join(found[: int(len(found) * share)])), color=0))
    data[28] = 1
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def ended(share: float, image: Image.Image = PHOTO, **options: Any) -> bytes:
    """A share of a JPEG, followed by the marker of its end."""
    data = encoded(image, "JPEG", **options)
    return data[: int(len(data) * share)] + b"\xff\xd9"


def tiff(tag: int, change: Callable[[bytearray, int], None], **options: Any) -> bytes:
    """A TIFF of 8 strips with a changed entry of its directory."""
    data = bytearray(encoded(PHOTO, "TIFF", tiffinfo={278: 8}, **options))
    start = struct.unpack_from("<I", data, 4)[0]
    for entry in range(struct.unpack_from("<H", data, start)[0]):
        at = start + 2 + 12 * entry
        if struct.unpack_from("<H", data, at)[0] == tag:
            change(data, at)
            return bytes(data)
    raise AssertionError(f"no tag {tag}")


def halve_count(data: bytearray, at: int) -> None:
    struct.pack_into("<I", data, at + 4, struct.unpack_from("<I", data, at + 4)[0] // 2)


def halve_first(data: bytearray, at: int) -> None:
    kind, _, where = struct.unpack_from("<HII", data, at + 2)
    number = "<H" if kind == 3 else "<I"
    struct.pack_into(number, data, where, struct.unpack_from(number, data, where)[0] // 2)


def planar(planes: int) -> bytes:
    """A TIFF in RGB that stores each color separately, with some of its three planes."""
    pixels = np.ascontiguousarray(np.asarray(PHOTO).transpose(2, 0, 1)).tobytes()
    values = [struct.pack("<3H", 8, 8, 8), struct.pack(f"<{planes}I", *(8 + 96 * 64 * i for i in range(planes)))]
    places = [8 + len(pixels), 8 + len(pixels) + 6]
    entries = [
        (256, 4, 1, 96), (257, 4, 1, 64), (258, 3, 3, places[0]), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, planes, places[1]),
        (277, 3, 1, 3), (278, 4, 1, 64), (284, 3, 1, 2),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries) + bytes(4)
    body = pixels + b"".join(values)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory


def webp(share: float, **options: Any) -> bytes:
    """A WebP with a share of its data, whose headers state the size of the rest."""
    data = encoded(PHOTO, "WEBP", **options)
    body = data[20 : int(len(data) * share) // 2 * 2]
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBP" + data[12:16] + struct.pack("<I", len(body)) + body


def gif(share: float) -> bytes:
    """A GIF with a share of its compressed data, which are ended correctly."""
    data = encoded(PHOTO.quantize(16), "GIF")
    at = start = data.index(b"\x2c\0\0\0\0") + 11
    blocks = b""
    while data[at]:
        blocks += data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
    blocks = blocks[: int(len(blocks) * share)]
    pieces = [blocks[i : i + 255] for i in range(0, len(blocks), 255)]
    return data[:start] + b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0;"


def bmp(lines: int) -> bytes:
    """A BMP with run lengths, which states 64 lines."""
    data = bytes([96, 200, 0, 0]) * lines + b"\0\1"
    palette = b"".join(bytes([i, i, i, 0]) for i in range(256))
    header = struct.pack("<IiiHHIIiiII", 40, 96, 64, 1, 8, 1, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(data), 0, 0, 1078) + header + palette + data


INCOMPLETE: dict[str, bytes] = {
    **{f"PNG of {count} rows": rows(ROWS[:count]) for count in (1, 32, 63)},
    "PNG of 63 black rows": rows(BLACK[:63]),
    "PNG with half of a row": rows([*ROWS[:32], ROWS[32][:100]]),
    **{f"interlaced PNG, {share}": interlaced((33, 30), share) for share in (0.2, 0.6, 0.98)},
    **{f"JPEG, {share}": ended(share) for share in (0.5, 0.9, 0.99)},
    **{f"progressive JPEG, {share}": ended(share, progressive=True) for share in (0.5, 0.9)},
    "gray JPEG": ended(0.6, PHOTO.convert("L")),
    "CMYK JPEG": ended(0.6, PHOTO.convert("CMYK")),
    "TIFF with half of its strips": tiff(STRIPS, halve_count),
    "TIFF of separate colors without the last": planar(2),
    **{
        f"{kind} TIFF with a short strip": tiff(SIZES, halve_first, compression=kind)
        for kind in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    },
    **{f"WebP, {share}": webp(share) for share in (0.5, 0.97)},
    "lossless WebP": webp(0.9, lossless=True),
    "GIF": gif(0.5),
    "BMP with run lengths": bmp(32),
}
COMPLETE: dict[str, bytes] = {
    "PNG": rows(ROWS),
    "black PNG": rows(BLACK),
    "PNG with more rows": rows([*ROWS, *ROWS]),
    **{f"interlaced PNG of {size}": interlaced(size) for size in ((33, 30), (1, 1), (3, 1), (1, 9), (8, 8))},
    **{f"PNG, {mode}": encoded(Image.new(mode, (9, 5))) for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16")},
    "JPEG": encoded(PHOTO, "JPEG"),
    "progressive JPEG": encoded(PHOTO, "JPEG", progressive=True),
    "JPEG with other data at its end": encoded(PHOTO, "JPEG") + b"other",
    "CMYK JPEG": encoded(PHOTO.convert("CMYK"), "JPEG"),
    **{f"TIFF, {kind}": encoded(PHOTO, "TIFF", tiffinfo={278: 8}, compression=kind) for kind in (None, "tiff_lzw", "jpeg")},
    "TIFF with separate colors": planar(3),
    "animated PNG": encoded(PHOTO, "PNG", save_all=True, append_images=[PHOTO.rotate(90)]),
    "WebP": encoded(PHOTO, "WEBP"),
    "GIF": gif(1),
    "BMP with run lengths": bmp(64),
}


def by_steps(data: bytes, need: Need) -> Any:
    return Picture(data, [need]).pixels(need)


READERS: dict[str, Callable[[bytes], Any]] = {
    "whole": decode,
    "rgb": lambda data: by_steps(data, Need("rgb")),
    "small and gray": lambda data: by_steps(data, Need("gray", longer=8)),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", INCOMPLETE)
def test_a_file_with_too_few_pixels_fails(name: str, reader: str) -> None:
    with pytest.raises(ImageError) as caught:
        READERS[reader](INCOMPLETE[name])
    assert caught.value.reason in ("truncated", "damaged")
    if name.startswith(("PNG", "interlaced", "JPEG", "progressive", "gray", "CMYK", "TIFF")):
        assert caught.value.reason == "truncated"


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", COMPLETE)
def test_a_complete_file_has_pixels(name: str, reader: str) -> None:
    assert np.asarray(READERS[reader](COMPLETE[name])).size
