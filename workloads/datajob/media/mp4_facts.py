"""The audio tracks of MP4 files (ISO/IEC 14496-12 and -14)."""

from __future__ import annotations

import struct

from datajob.media.audio_types import AudioFacts
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.mp4_boxes import boxes, inside, movie, played, seconds, time_scale

_CODECS = {b"alac": "alac", b"Opus": "opus", b"fLaC": "flac", b".mp3": "mp3", b"ac-3": "ac3", b"ec-3": "eac3"}
_OBJECT_TYPES = {0x40: "aac", 0x66: "aac", 0x67: "aac", 0x68: "aac", 0x69: "mp3", 0x6B: "mp3"}


def mp4_facts(file: MediaFile) -> AudioFacts:
    """The facts of the first audio track. Raises MediaError."""
    index = movie(file)
    scale = next((time_scale(box) for name, box in boxes(index) if name == b"mvhd"), 0)
    for name, track in boxes(index):
        if name == b"trak" and inside(track, b"mdia", b"hdlr")[8:12] == b"soun":
            return _track(track, scale)
    raise MediaError("noAudio", "the file has no audio track")


def _track(track: bytes, movie_scale: int) -> AudioFacts:
    entry = inside(track, b"mdia", b"minf", b"stbl", b"stsd")[8:]
    kind = entry[4:8]
    if kind == b"enca":
        raise MediaError("encrypted", "the audio is encrypted")
    version, channels, bits, rate = struct.unpack_from(">H6xHH4xI", entry, 16)
    rate = rate >> 16
    inner = entry[36 + (16 if version == 1 else 36 if version == 2 else 0) :]
    codec = _CODECS.get(kind) or (_esds_codec(inside(inner, b"esds")) if kind == b"mp4a" else kind.decode("latin-1").strip())
    if kind == b"alac" and (alac := inside(inner, b"alac")):
        bits, channels, rate = alac[9], alac[13], struct.unpack_from(">I", alac, 24)[0]
    header = inside(track, b"mdia", b"mdhd")
    rate = rate or time_scale(header)
    if not channels or not rate or not time_scale(header):
        raise MediaError("damaged", f"the audio track states {channels} channels and {rate} Hz")
    duration = seconds(header)
    if duration is not None and (edited := played(track, movie_scale)) is not None:
        duration = min(duration, edited)
    return AudioFacts(duration, rate, channels, codec, "M4A", bits if codec in ("alac", "flac") else None)


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
