"""The video tracks of MP4 and MOV files (ISO/IEC 14496-12 and -15)."""

from __future__ import annotations

import struct
from math import atan2, degrees

from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.mp4_boxes import boxes, inside, movie, played, seconds, time_scale
from datajob.media.video_types import VideoFacts, displayed

_CODECS = {
    b"avc1": "h264", b"avc3": "h264", b"hvc1": "hevc", b"hev1": "hevc", b"av01": "av1", b"vp08": "vp8", b"vp09": "vp9",
    b"mp4v": "mpeg4", b"jpeg": "mjpeg", b"mjpa": "mjpeg", b"s263": "h263", b"png ": "png", b"ap4h": "prores",
    b"apch": "prores", b"apcn": "prores", b"apcs": "prores", b"apco": "prores",
}  # fmt: skip
_OBJECT_TYPES = {0x60: "mpeg2video", 0x61: "mpeg2video", 0x62: "mpeg2video", 0x6A: "mpeg1video", 0x6C: "mjpeg"}
_ENTRY = 86
"""Bytes of the description of a video track, before the boxes in it."""


def mp4_video(file: MediaFile) -> VideoFacts | None:
    """The facts of the first video track; None if they are in the fragments of the file. Raises MediaError."""
    index = movie(file)
    tracks = [track for name, track in boxes(index) if name == b"trak"]
    kinds = [inside(track, b"mdia", b"hdlr")[8:12] for track in tracks]
    if b"vide" not in kinds:
        raise MediaError("noVideo", "the file has no video track")
    scale = next((time_scale(box) for name, box in boxes(index) if name == b"mvhd"), 0)
    fragmented = any(name == b"mvex" for name, _ in boxes(index))
    return _track(tracks[kinds.index(b"vide")], scale, b"soun" in kinds, fragmented)


def _track(track: bytes, movie_scale: int, has_audio: bool, fragmented: bool) -> VideoFacts | None:
    entry = inside(track, b"mdia", b"minf", b"stbl", b"stsd")[8:]
    kind = entry[4:8]
    if kind == b"encv":
        raise MediaError("encrypted", "the video is encrypted")
    width, height = struct.unpack_from(">HH", entry, 32)
    table = inside(track, b"mdia", b"minf", b"stbl", b"stsz") or inside(track, b"mdia", b"minf", b"stbl", b"stz2")
    frames = struct.unpack_from(">I", table, 8)[0]
    if not width or not height or not frames:
        if fragmented:
            return None
        what = "no frames" if width and height else f"{width} x {height} pixels"
        raise MediaError("noFrames" if width and height else "damaged", f"the video track states {what}")
    stated = seconds(inside(track, b"mdia", b"mdhd"))
    edited = played(track, movie_scale)
    duration = stated if edited is None or stated is None else min(stated, edited)
    rotation = _rotation(inside(track, b"tkhd"))
    size = displayed(width, height, _pixel_aspect(entry), rotation)
    fps = frames / stated if stated else None
    return VideoFacts(*size[:2], duration, fps, frames, rotation, has_audio, _codec(kind, entry), "MP4", size[2])


def _codec(kind: bytes, entry: bytes) -> str:
    if kind == b"mp4v":
        description = inside(entry[_ENTRY:], b"esds")
        at = description.find(b"\x04", 4 + 3)
        while 0 <= at < len(description) - 2:
            place = at + 1
            while description[place] & 0x80 and place < len(description) - 2:
                place += 1
            if codec := _OBJECT_TYPES.get(description[place + 1]):
                return codec
            at = description.find(b"\x04", at + 1)
    return _CODECS.get(kind) or kind.decode("latin-1").strip()


def _pixel_aspect(entry: bytes) -> float:
    """Width / height of a pixel."""
    box = inside(entry[_ENTRY:], b"pasp")
    wide, high = struct.unpack_from(">II", box) if len(box) >= 8 else (1, 1)
    return wide / high if wide and high else 1.0


def _rotation(box: bytes) -> int:
    """The rotation in the matrix of a track header, if it is a multiple of 90 degrees."""
    at = 52 if box[0] == 1 else 40
    a, b = struct.unpack_from(">ii", box, at)
    turned = round(degrees(atan2(b, a))) % 360
    return turned if turned % 90 == 0 else 0
