"""The headers of MP3 files: frames, and the tables of Xing, Info and VBRI that state their number."""

from __future__ import annotations

import struct
from typing import NamedTuple

from datajob.media.audio_types import AudioFacts
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_V1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_V2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_BITRATES = {(3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
             (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384), (3, 1): _V1}  # fmt: skip
_LAYER_1_V2 = (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_SEARCH = 1 << 16
"""Bytes after the tags in which the first frame must start."""
_PROBE = 64
"""Frames whose bit rates are compared to see whether the bit rate is constant."""
_FIRST_BLOCK, _BLOCK = 1 << 17, 1 << 20
"""Bytes that are read at once. The first block contains the frames whose bit rates are compared."""


class _Frame(NamedTuple):
    version: int
    """3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5."""
    layer: int
    """1: layer III, 2: layer II, 3: layer I, as stored."""
    rate: int
    channels: int
    size: int
    """Bytes."""
    samples: int
    bitrate: int


def mp3_facts(file: MediaFile, start: int) -> AudioFacts:
    """The facts of an MP3 file whose audio starts at an offset. Raises MediaError."""
    at, first = _first_frame(file, start)
    codec = {1: "mp3", 2: "mp2", 3: "mp1"}[first.layer]
    end = file.size - (128 if file.part(file.size - 128, 3) == b"TAG" else 0)
    samples = _stated(file, at, first)
    if samples is None:
        samples = _counted(file, at, end, first)
    return AudioFacts(samples / first.rate, first.rate, first.channels, codec, "MP3")


def _first_frame(file: MediaFile, start: int) -> tuple[int, _Frame]:
    """The first frame that another one like it follows, or that ends the file."""
    data = file.part(start, _SEARCH)
    at = data.find(b"\xff")
    while 0 <= at < len(data) - 4:
        frame = _frame(data[at : at + 4])
        if frame is not None:
            after = file.part(start + at + frame.size, 4)
            follows = _frame(after)
            if not after or (follows is not None and (follows.version, follows.layer, follows.rate) == frame[:3]):
                return start + at, frame
        at = data.find(b"\xff", at + 1)
    raise MediaError("notAudio", "the file has no frame of MP3 after its tags, or is truncated")


def _frame(header: bytes) -> _Frame | None:
    """The frame that starts with 4 bytes."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    speed, rate_number, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or not layer or rate_number == 3 or not 0 < speed < 15:
        return None
    rate = _RATES[version][rate_number]
    table = _BITRATES.get((version, layer)) or (_LAYER_1_V2 if layer == 3 else _V2)
    bitrate = table[speed - 1] * 1000
    samples = 384 if layer == 3 else 576 if layer == 1 and version != 3 else 1152
    size = (12 * bitrate // rate + padding) * 4 if layer == 3 else samples // 8 * bitrate // rate + padding
    return _Frame(version, layer, rate, 1 if header[3] >> 6 == 3 else 2, size, samples, bitrate)


def _stated(file: MediaFile, at: int, frame: _Frame) -> int | None:
    """The number of samples that the first frame states, if it is a table instead of audio."""
    data = file.part(at, min(frame.size, 512))
    side = (17 if frame.channels == 1 else 32) if frame.version == 3 else (9 if frame.channels == 1 else 17)
    place = 4 + side
    if data[place : place + 4] in (b"Xing", b"Info"):
        flags = struct.unpack_from(">I", data, place + 4)[0]
        if not flags & 1:
            return None
        frames = int(struct.unpack_from(">I", data, place + 8)[0])
        lame = place + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
        unplayed = 0
        if data[lame : lame + 4] in (b"LAME", b"Lavc", b"Lavf") and len(data) >= lame + 24:
            packed = int.from_bytes(data[lame + 21 : lame + 24], "big")
            unplayed = (packed >> 12) + (packed & 0xFFF)
        return max(0, frames * frame.samples - unplayed)
    if data[36:40] == b"VBRI":
        return int(struct.unpack_from(">I", data, 36 + 14)[0]) * frame.samples
    return None


def _counted(file: MediaFile, at: int, end: int, first: _Frame) -> int:
    """The number of samples: from the size of the file if the bit rate is constant, otherwise from all frames."""
    start, bitrates, samples = at, set[int](), 0
    data, base = b"", at
    while at + 4 <= end:
        if at + 4 > base + len(data):
            data, base = file.part(at, _BLOCK if data else _FIRST_BLOCK), at
        frame = _frame(data[at - base : at - base + 4])
        if frame is None or frame.rate != first.rate:
            following = data.find(b"\xff", at - base + 1)
            at = base + following if following >= 0 else base + len(data)
            continue
        samples += frame.samples
        bitrates.add(frame.bitrate)
        at += frame.size
        if samples == _PROBE * first.samples and len(bitrates) == 1:
            return int((end - start) * 8 * first.rate / first.bitrate)
    return samples
