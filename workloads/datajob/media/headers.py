"""The headers of JPEG, PNG, WebP and GIF files, read without a decoder: several times faster than Pillow opens a file.

A parser returns None for everything that it does not expect; the caller then asks Pillow, which decides. What a parser
returns is what Pillow returns, but Pillow decodes the pixels of a PNG before it looks for the orientation.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple, Protocol, overload
from zlib import crc32, decompressobj
from zlib import error as zlib_error

_ORIENTATION = 0x0112
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_PROFILE = b"Raw profile type exif\0"
_MAX_PROFILE = 1 << 17
_PNG_MODES = {
    (1, 0): "1", (2, 0): "L", (4, 0): "L", (8, 0): "L", (16, 0): "I;16", (8, 2): "RGB", (16, 2): "RGB", (1, 3): "P",
    (2, 3): "P", (4, 3): "P", (8, 3): "P", (8, 4): "LA", (16, 4): "RGBA", (8, 6): "RGBA", (16, 6): "RGBA",
}  # fmt: skip
_FAR = 1 << 17
"""Bytes of the rest of a PNG file from which its end is read instead of all chunks."""
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
"""JPEG markers that start a frame (SOF); the others of their range define tables."""
_HEADS = (1 << 11, 1 << 16)
"""Bytes at the start of a JPEG that contain its header, without or with metadata."""


class Data(Protocol):
    """An encoded file: bytes, or the bytes of a file that are read when a parser asks for them (`Lazy` in `files`)."""

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, key: int, /) -> int: ...

    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...

    def startswith(self, prefix: bytes, start: int = 0, /) -> bool:
        """Whether the bytes from `start` on begin with a prefix."""


class Header(NamedTuple):
    """What the header of an encoded image states."""

    width: int
    """In pixels, as stored: the orientation is not applied."""
    height: int
    format: str
    """Pillow's name, such as `JPEG`."""
    mode: str
    """Pillow's name of the pixel type, such as `RGB`."""
    orientation: int = 1
    """EXIF orientation, 1 to 8; values from 5 on swap width and height (CIPA DC-008, 4.6.5)."""
    frames: int = 1
    """More than 1 for an animation."""

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as displayed."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def parse(data: Data) -> Header | None:
    """The header of a file, or None if only Pillow can tell. Of a file, only the parts that state something are read."""
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        return _gif(data[:]) if data[:6] in (b"GIF87a", b"GIF89a") else None
    except (struct.error, IndexError):
        return None


def quick_header(data: bytes | memoryview) -> Header | None:
    """The header of a file, read without a decoder; None if only a decoder can read it."""
    if data[:2] == b"\xff\xd8":
        for size in _HEADS:
            if len(data) > size and (found := parse(bytes(data[:size]))):
                return found
    return parse(bytes(data))


def _jpeg(data: Data) -> Header | None:
    """Read marker by marker up to the first scan."""
    at, frame, turned, xmp = 2, None, None, None
    described = False
    while True:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker == 0xDA:
            break
        length = data[at + 2] << 8 | data[at + 3]
        if marker in _FRAMES:
            bits, height, width, channels = struct.unpack(">BHHB", data[at + 4 : at + 10])
            frame = (bits, width, height, channels)
        elif marker == 0xE1 and not described and data.startswith(b"Exif\0\0", at + 4):
            described, turned = True, _exif_orientation(data, at + 10, at + 2 + length)
        elif marker == 0xE1 and data.startswith(b"http://ns.adobe.com/xap/1.0/", at + 4):
            xmp = data[at + 4 : at + 2 + length]
        elif (marker == 0xE2 and data.startswith(b"MPF\0", at + 4)) or not 0xC0 <= marker <= 0xFE or 0xD0 <= marker <= 0xD9:
            return None
        at += 2 + length
    if frame is None or frame[0] != 8 or frame[3] not in _JPEG_MODES or 0 in frame[1:3]:
        return None
    return Header(frame[1], frame[2], "JPEG", _JPEG_MODES[frame[3]], _orientation(turned, xmp))


def _png(data: Data) -> Header | None:
    """All chunks, except those of the pixels: the orientation may follow them."""
    length, kind, width, height, depth, color = struct.unpack(">I4sIIBB", data[8:26])
    if kind != b"IHDR" or length != 13 or crc32(data[12:29]) != struct.unpack(">I", data[29:33])[0]:
        return None
    mode, frames, at = _PNG_MODES.get((depth, color)), 1, 33
    turned, profile, xmp, described, skipped = None, None, None, False, False
    while len(data) - at >= 8:
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"eXIf":
            described, turned = True, _exif_orientation(data, at + 8, at + 8 + length)
        elif kind == b"acTL":
            frames = struct.unpack(">I", data[at + 8 : at + 12])[0]
        elif kind == b"IDAT" and not skipped and len(data) - at > _FAR:
            skipped = True
            at = _last_pixels(data) or at
            continue
        elif kind in (b"tEXt", b"zTXt") and data.startswith(_PROFILE, at + 8):
            profile = _raw_profile(data[at + 8 + len(_PROFILE) : at + 8 + length], kind == b"zTXt")
        elif kind == b"iTXt" and data.startswith(b"XML:com.adobe.xmp\0\0", at + 8):
            xmp = data[at + 8 : at + 8 + length]
        elif kind == b"IEND":
            break
        at += 12 + length
    if not mode or not width or not height or not frames:
        return None
    return Header(width, height, "PNG", mode, _orientation(turned if described else _of_profile(profile), xmp), frames)


def _last_pixels(data: Data) -> int | None:
    """Where the first chunk of pixels starts from which chunks lead to the end of the file, within the last bytes of it."""
    start = len(data) - _FAR // 2
    tail = data[start : len(data)]
    named = tail.find(b"IDAT", 4)
    while named >= 4:
        at = named - 4
        while at + 12 <= len(tail) and tail[at + 4 : at + 8] != b"IEND":
            at += 12 + int.from_bytes(tail[at : at + 4], "big")
        if at + 12 == len(tail):
            return start + named - 4
        named = tail.find(b"IDAT", named + 1)
    return None


def _of_profile(profile: bytes | None) -> int | None:
    return _exif_orientation(profile, 0, len(profile)) if profile else None


def _raw_profile(text: bytes, compressed: bool) -> bytes | None:
    """EXIF as ImageMagick writes it: a name, a length and hexadecimal digits."""
    try:
        digits = decompressobj().decompress(text[1:], _MAX_PROFILE) if compressed else text
        return bytes.fromhex("".join(digits.decode("latin-1").split("\n")[3:])).removeprefix(b"Exif\0\0")
    except (ValueError, zlib_error):
        return None


def _webp(data: Data) -> Header | None:
    kind = data[12:16]
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", data[26:30])
        return Header(width & 0x3FFF, height & 0x3FFF, "WEBP", "RGB")
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = struct.unpack("<I", data[21:25])[0]
        mode = "RGBA" if bits >> 28 & 1 else "RGB"
        return Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, "WEBP", mode)
    if kind != b"VP8X":
        return None
    flags, size = data[20], data[24:30]
    width, height = int.from_bytes(size[:3], "little") + 1, int.from_bytes(size[3:], "little") + 1
    at, frames, turned, xmp = 30, 0, None, None
    while len(data) - at >= 8:
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"ANMF":
            frames += 1
        elif name == b"EXIF":
            start = at + 8 + (6 if data.startswith(b"Exif\0\0", at + 8) else 0)
            turned = _exif_orientation(data, start, at + 8 + length)
        elif name == b"XMP ":
            xmp = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    if len(data) < at:  # Pillow refuses most truncated files
        return None
    mode = "RGBA" if flags & 0x10 else "RGB"
    return Header(width, height, "WEBP", mode, _orientation(turned, xmp), max(frames, 1))


def _gif(data: bytes) -> Header | None:
    """All blocks, to count the images. A palette of grays, which Pillow reports as mode `L`, is left to Pillow."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, frames = 13 + _palette(flags), 0
    if not flags & 0x80 or _is_gray(data[13:at]) or not width or not height:
        return None
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x2C:
            left, top, right, bottom, local = struct.unpack_from("<HHHHB", data, at + 1)
            if local & 0x80 or left + right > width or top + bottom > height:
                return None
            frames += 1
            at += 11
        elif data[at] == 0x21:
            at += 2
        else:
            return None
        while data[at]:
            at += 1 + data[at]
        at += 1
    return Header(width, height, "GIF", "P", 1, frames) if frames else None


def _palette(flags: int) -> int:
    """The size of a palette in bytes."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _is_gray(palette: bytes) -> bool:
    return palette[::3] == palette[1::3] == palette[2::3]


def _orientation(found: int | None, xmp: bytes | None) -> int:
    """The EXIF orientation, otherwise that of XMP; 1 if there is none or it is invalid."""
    if found is None and xmp and (match := _XMP_ORIENTATION.search(xmp)):
        found = int(match[1])
    return found if found is not None and 1 <= found <= 8 else 1


def _exif_orientation(data: Data, start: int, stop: int) -> int | None:
    """The orientation of a TIFF structure between two positions, of which only the directory is read."""

    def unpack(kind: str, at: int) -> tuple[int, ...]:
        end = start + at + struct.calcsize(kind)
        return struct.unpack(kind, data[start + at : end] if end <= stop else b"")

    order = {b"II": "<", b"MM": ">"}.get(data[start : min(start + 2, stop)])
    if order is None:
        return None
    try:
        directory = unpack(order + "I", 4)[0]
        for entry in range(unpack(order + "H", directory)[0]):
            tag, kind, count = unpack(order + "HHI", directory + 2 + 12 * entry)
            if tag == _ORIENTATION:
                known = {1: "B", 3: "H", 4: "I"}.get(kind)
                return unpack(order + known, directory + 10 + 12 * entry)[0] if known and count == 1 else 1
    except struct.error:
        pass
    return None
