"""Images whose files contain fewer pixels than their headers state, which decoders accept: the rest is black or gray."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

_PLANAR, _COMPRESSION, _JPEG_TABLES = 284, 259, 347
_OFFSETS = ((273, 279), (324, 325))
"""TIFF tags of the positions and sizes of strips, and of tiles."""
_JPEG_IN_TIFF = 7
_PASSES = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
"""First row, distance of rows, first column and distance of columns of the passes of an interlaced PNG."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Channels of the color types of PNG."""


def warns_of_missing_data(warning: str) -> bool:
    """Whether a warning of libjpeg is that a scan or the file ends early. Pillow ignores the first."""
    return "premature end" in warning.lower()


def has_all_tiles(opened: Image) -> bool:
    """Whether an image that is not decoded yet has all strips or tiles of a TIFF."""
    if opened.format != "TIFF":
        return True
    tiff: Any = opened
    areas = [(x1 - x0) * (y1 - y0) for _, (x0, y0, x1, y1), *_ in tiff.tile]
    planes = len(opened.getbands()) if tiff.tag_v2.get(_PLANAR) == 2 and len(areas) > 1 else 1
    return bool(sum(areas) >= opened.width * opened.height * planes)


def has_all_pixels(opened: Image, data: bytes) -> bool:
    """Whether the decoder had data for all pixels of an image that it has decoded."""
    if opened.format in ("JPEG", "MPO"):
        return not _ends_early(data, opened.mode)
    if opened.format == "TIFF":
        return not any(_ends_early(each, opened.mode) for each in _jpegs_in(opened, data))
    return opened.format != "PNG" or not _may_be_unfilled(opened, data) or _has_all_rows(data)


def _ends_early(data: bytes, mode: str) -> bool:
    """Whether a scan of a JPEG ends early. The smallest scale needs least time."""
    import simplejpeg

    try:
        color = "CMYK" if mode == "CMYK" else "GRAY"
        simplejpeg.decode_jpeg(data, color, min_width=1, min_height=1, min_factor=1, strict=True)
    except ValueError as error:
        return warns_of_missing_data(str(error))
    return False


def _jpegs_in(opened: Any, data: bytes) -> list[bytes]:
    """The strips or tiles of a TIFF that are JPEG files, with the tables that they share."""
    tags = opened.tag_v2
    if tags.get(_COMPRESSION) != _JPEG_IN_TIFF:
        return []
    tables = tags.get(_JPEG_TABLES, b"\xff\xd8\xff\xd9")[:-2]
    return [
        tables + data[start + 2 : start + size]
        for positions, sizes in _OFFSETS
        for start, size in zip(tags.get(positions, ()), tags.get(sizes, ()), strict=False)
    ]


def _may_be_unfilled(opened: Image, data: bytes) -> bool:
    """Whether the end of a PNG can be missing: pixels that were not decoded are zero."""
    height = opened.height
    return data[28] != 0 or not any(opened.crop((0, height - 1, opened.width, height)).tobytes())


def _has_all_rows(data: bytes) -> bool:
    """Whether the compressed data of a PNG contain its last row."""
    needed = _bytes_of_rows(data)
    inflate, at = zlib.decompressobj(), 8
    try:
        while needed > 0 and len(data) - at >= 12 and not inflate.eof:
            size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
            piece = data[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
            while piece and needed > 0:
                needed -= len(inflate.decompress(piece, 1 << 20))
                piece = inflate.unconsumed_tail
            at += 12 + size
    except zlib.error:  # Pillow has decoded it
        return True
    return needed <= 0


def _bytes_of_rows(data: bytes) -> int:
    """The bytes of all rows of a PNG before compression. Each begins with the number of its filter."""
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    bits = data[24] * _CHANNELS.get(data[25], 0)
    total = 0
    for top, down, left, right in _PASSES if data[28] else ((0, 1, 0, 1),):
        rows, columns = len(range(top, height, down)), len(range(left, width, right))
        total += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return total
