"""The headers of MP4 files: the boxes that describe their tracks, wherever they are in the file (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from datajob.media.audio_types import AudioFacts
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile

MAX_INDEX = 64 << 20
"""Bytes of the largest index (`moov`) that is read."""
_CODECS = {b"alac": "alac", b"Opus": "opus", b"fLaC": "flac", b".mp3": "mp3", b"ac-3": "ac3", b"ec-3": "eac3"}
_OBJECT_TYPES = {0x40: "aac", 0x66: "aac", 0x67: "aac", 0x68: "aac", 0x69: "mp3", 0x6B: "mp3"}


def mp4_facts(file: MediaFile) -> AudioFacts:
    """The facts of the first audio track. Raises MediaError."""
    index = _index(file)
    scale = next((_scale(box) for name, box in _boxes(index) if name == b"mvhd"), 0)
    for name, track in _boxes(index):
        if name == b"trak" and _inside(track, b"mdia", b"hdlr")[8:12] == b"soun":
            return _track(track, scale)
    raise MediaError("noAudio", "the file has no audio track")


def _index(file: MediaFile) -> bytes:
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


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
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


def _inside(data: bytes, *path: bytes) -> bytes:
    """The content of a box within boxes; empty if it does not exist."""
    for wanted in path:
        data = next((box for name, box in _boxes(data) if name == wanted), b"")
    return data


def _scale(box: bytes) -> int:
    """The time scale of the boxes `mvhd` and `mdhd`."""
    return int(struct.unpack_from(">I", box, 20 if box[0] == 1 else 12)[0])


def _track(track: bytes, movie_scale: int) -> AudioFacts:
    entry = _inside(track, b"mdia", b"minf", b"stbl", b"stsd")[8:]
    kind = entry[4:8]
    if kind == b"enca":
        raise MediaError("encrypted", "the audio is encrypted")
    version, channels, bits, rate = struct.unpack_from(">H6xHH4xI", entry, 16)
    rate = rate >> 16
    inner = entry[36 + (16 if version == 1 else 36 if version == 2 else 0) :]
    codec = _CODECS.get(kind) or (_esds_codec(_inside(inner, b"esds")) if kind == b"mp4a" else kind.decode("latin-1").strip())
    if kind == b"alac" and (alac := _inside(inner, b"alac")):
        bits, channels, rate = alac[9], alac[13], struct.unpack_from(">I", alac, 24)[0]
    header = _inside(track, b"mdia", b"mdhd")
    scale = _scale(header)
    duration = struct.unpack_from(">Q", header, 24)[0] if header[0] == 1 else struct.unpack_from(">I", header, 16)[0]
    rate = rate or scale
    if not channels or not rate or not scale:
        raise MediaError("damaged", f"the audio track states {channels} channels and {rate} Hz")
    seconds = duration / scale if duration and duration != 0xFFFFFFFF else None
    if (edited := _edited(_inside(track, b"edts", b"elst"))) and movie_scale and seconds is not None:
        seconds = min(seconds, edited / movie_scale)
    return AudioFacts(seconds, rate, channels, codec, "M4A", bits if codec in ("alac", "flac") else None)


def _edited(box: bytes) -> int | None:
    """The duration of the only part of the track that is played; players skip the first samples of AAC."""
    if len(box) < 8 or struct.unpack_from(">I", box, 4)[0] != 1:
        return None
    found: int = struct.unpack_from(">Q" if box[0] == 1 else ">I", box, 8)[0]
    return found or None


def _esds_codec(box: bytes) -> str:
    """The codec of an elementary stream (ISO/IEC 14496-1), by the object type in its decoder description."""
    at = box.find(b"\x04", 4 + 3)
    while 0 <= at < len(box) - 2:
        place = at + 1
        while box[place] & 0x80 and place < len(box) - 2:
            place += 1
        if codec := _OBJECT_TYPES.get(box[place + 1]):
            return codec
        at = box.find(b"\x04", at + 1)
    return "aac"
