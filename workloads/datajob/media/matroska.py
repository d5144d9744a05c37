"""The headers of Matroska and WebM files (RFC 9559), of which only the elements before the first frame are read."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.video_types import VideoFacts, displayed

_SEGMENT, _INFO, _TRACKS, _CLUSTER, _ENTRY = 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0xAE
_SCALE, _DURATION = 0x2AD7B1, 0x4489
_TYPE, _CODEC, _FRAME_TIME, _ENCODINGS, _VIDEO = 0x83, 0x86, 0x23E383, 0x6D80, 0xE0
_WIDTH, _HEIGHT, _SHOWN_WIDTH, _SHOWN_HEIGHT, _UNIT, _PROJECTION = 0xB0, 0xBA, 0x54B0, 0x54BA, 0x54B2, 0x7670
_ENCRYPTION = b"\x50\x35"
_CODECS = {
    "V_VP8": "vp8", "V_VP9": "vp9", "V_AV1": "av1", "V_MPEG4/ISO/AVC": "h264", "V_MPEGH/ISO/HEVC": "hevc",
    "V_MPEG2": "mpeg2video", "V_MPEG1": "mpeg1video", "V_MPEG4/ISO/ASP": "mpeg4", "V_MPEG4/ISO/SP": "mpeg4",
    "V_MJPEG": "mjpeg", "V_FFV1": "ffv1", "V_THEORA": "theora",
}  # fmt: skip
MAX_ELEMENT = 16 << 20
"""Bytes of the largest description of tracks that is read."""


def matroska_video(file: MediaFile) -> VideoFacts | None:
    """The facts of the first video track; None if only FFmpeg can read them. Raises MediaError."""
    info, tracks = _descriptions(file)
    if tracks is None:
        return None
    entries = [dict(_elements(content)) for name, content in _elements(tracks) if name == _ENTRY]
    kinds = [_number(entry.get(_TYPE, b"")) for entry in entries]
    if 1 not in kinds:
        raise MediaError("noVideo", "the file has no video track")
    track = entries[kinds.index(1)]
    if _ENCRYPTION in track.get(_ENCODINGS, b""):
        raise MediaError("encrypted", "the video is encrypted")
    video = dict(_elements(track.get(_VIDEO, b"")))
    codec = _CODECS.get(track.get(_CODEC, b"").rstrip(b"\0").decode("latin-1"))
    width, height = _number(video.get(_WIDTH, b"")), _number(video.get(_HEIGHT, b""))
    frame_time = _number(track.get(_FRAME_TIME, b""))
    if _PROJECTION in video or codec is None or not width or not height or not frame_time:
        return None
    size = displayed(width, height, _pixel_aspect(video, width, height), 0)
    return VideoFacts(*size[:2], _duration(info), 1e9 / frame_time, None, 0, 2 in kinds, codec, "Matroska", size[2])


def is_cut(file: MediaFile) -> bool:
    """Whether the file ends before its content does."""
    at = 0
    while (found := _header(file.part(at, 12))) is not None:
        name, size, start = found
        if name == _SEGMENT or size is None:
            return size is not None and at + start + size > file.size
        at += start + size
    return False


def _descriptions(file: MediaFile) -> tuple[bytes, bytes | None]:
    """The elements Info and Tracks; None if there are no tracks in front of the first frame."""
    info, tracks = b"", None
    at = 0
    while (found := _header(file.part(at, 12))) is not None:
        name, size, start = found
        if name == _CLUSTER:
            break
        if name == _SEGMENT:
            at += start
            continue
        if size is None or (name in (_INFO, _TRACKS) and size > MAX_ELEMENT):
            break
        if name in (_INFO, _TRACKS):
            content = file.part(at + start, size)
            if len(content) < size:
                raise MediaError("truncated", "the file ends within its header")
            info, tracks = (content, tracks) if name == _INFO else (info, content)
        at += start + size
        if info and tracks is not None:
            break
    if tracks is None and at >= file.size:
        raise MediaError("truncated", "the file ends within its header")
    return info, tracks


def _duration(info: bytes) -> float | None:
    found = dict(_elements(info))
    data = found.get(_DURATION, b"")
    if len(data) not in (4, 8):
        return None
    [value] = struct.unpack(">f" if len(data) == 4 else ">d", data)
    scale = _number(found.get(_SCALE, b"")) or 1_000_000
    return float(value) * scale / 1e9 if 0 < value < 1e15 else None


def _pixel_aspect(video: dict[int, bytes], width: int, height: int) -> float:
    """Width / height of a pixel. The size for the display is in pixels, or a ratio."""
    wide, high = _number(video.get(_SHOWN_WIDTH, b"")), _number(video.get(_SHOWN_HEIGHT, b""))
    if not wide or not high or _number(video.get(_UNIT, b"")) == 4:
        return 1.0
    return wide / high / (width / height)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The name and the content of each element."""
    at = 0
    while (found := _header(data[at : at + 12])) is not None:
        name, size, start = found
        if size is None:
            return
        yield name, data[at + start : at + start + size]
        at += start + size


def _header(data: bytes) -> tuple[int, int | None, int] | None:
    """The name and the size of an element, and where its content starts; the size is None if it is unknown."""
    if not data or not data[0]:
        return None
    length = 9 - data[0].bit_length()
    if length > 4 or len(data) <= length or not data[length]:
        return None
    wide = 9 - data[length].bit_length()
    if len(data) < length + wide:
        return None
    bits = (1 << 7 * wide) - 1
    size = int.from_bytes(data[length : length + wide], "big") & bits
    return int.from_bytes(data[:length], "big"), None if size == bits else size, length + wide


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
