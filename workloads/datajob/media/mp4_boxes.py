"""The boxes of MP4 files, wherever they are in the file (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from datajob.media.errors import MediaError
from datajob.media.files import MediaFile

MAX_INDEX = 64 << 20
"""Bytes of the largest index (`moov`) that is read."""
_IMAGES_IN_MP4 = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")


def is_mp4(head: bytes) -> bool:
    """Whether a file that starts with these bytes is MP4 or MOV, old files of which have no `ftyp`."""
    if head[4:8] == b"ftyp":
        return head[8:12] not in _IMAGES_IN_MP4
    return head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip")


def movie(file: MediaFile) -> bytes:
    """The content of the box `moov`."""
    at = 0
    while len(header := file.part(at, 16)) >= 8:
        size, name = struct.unpack_from(">I4s", header)
        start = 8
        if size == 1:
            size, start = struct.unpack_from(">Q", header, 8)[0], 16
        elif size == 0:
            size = file.size - at
        if size < start:
            break
        if name == b"moov":
            if size > MAX_INDEX:
                raise MediaError("tooLarge", f"the index of the file has {size:,} bytes; the limit is {MAX_INDEX:,}")
            found = file.part(at + start, size - start)
            if len(found) < size - start:
                break
            return found
        at += size
    raise MediaError("truncated", "the file has no index (moov): it ends too early, or its recording was interrupted")


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The name and the content of each box."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        start = 8
        if size == 1:
            size, start = struct.unpack_from(">Q", data, at + 8)[0], 16
        elif size == 0:
            size = len(data) - at
        if size < start:
            return
        yield name, data[at + start : at + size]
        at += size


def inside(data: bytes, *path: bytes) -> bytes:
    """The content of a box within boxes; empty if it does not exist."""
    for wanted in path:
        data = next((box for name, box in boxes(data) if name == wanted), b"")
    return data


def time_scale(box: bytes) -> int:
    """The time scale of the boxes `mvhd` and `mdhd`."""
    return int(struct.unpack_from(">I", box, 20 if box[0] == 1 else 12)[0])


def seconds(header: bytes) -> float | None:
    """The duration of the boxes `mvhd` and `mdhd`; None if they do not state it."""
    scale = time_scale(header)
    if header[0] == 1:
        found, unknown = struct.unpack_from(">Q", header, 24)[0], (1 << 64) - 1
    else:
        found, unknown = struct.unpack_from(">I", header, 16)[0], (1 << 32) - 1
    return found / scale if scale and found and found != unknown else None


def played(track: bytes, movie_scale: int) -> float | None:
    """The seconds of the only part of the track that is played, such as without the first samples of AAC; None: unknown."""
    box = inside(track, b"edts", b"elst")
    if len(box) < 8 or struct.unpack_from(">I", box, 4)[0] != 1 or not movie_scale:
        return None
    found: int = struct.unpack_from(">Q" if box[0] == 1 else ">I", box, 8)[0]
    return found / movie_scale if found else None
