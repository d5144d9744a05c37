"""The format of encoded media by their first bytes."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["image", "audio", "video"]
_SIGNATURES: tuple[tuple[bytes, str, Kind | None], ...] = (
    (rb"\xff\xd8\xff", ".jpg", "image"),
    (rb"\x89PNG\r\n", ".png", "image"),
    (rb"RIFF....WEBP", ".webp", "image"),
    (rb"GIF8", ".gif", "image"),
    (rb"BM", ".bmp", "image"),
    (rb"II\*\x00|MM\x00\*", ".tif", "image"),
    (rb"....ftypavi[fs]", ".avif", "image"),
    (rb"RIFF....WAVE", ".wav", "audio"),
    (rb"fLaC", ".flac", "audio"),
    (rb"OggS", ".ogg", "audio"),
    (rb"ID3|\xff[\xfb\xf3\xf2]", ".mp3", "audio"),
    (rb"....ftypM4A", ".m4a", "audio"),
    (rb"\xff[\xf1\xf9]", ".aac", "audio"),
    (rb"....ftypqt", ".mov", "video"),
    (rb"....ftyp", ".mp4", "video"),
    (rb"\x1a\x45\xdf\xa3.{0,40}\x42\x82\x84webm", ".webm", "video"),
    (rb"\x1a\x45\xdf\xa3", ".mkv", "video"),
    (rb"RIFF....AVI ", ".avi", "video"),
    (rb"(?:\x47.{187}){3}|.{4}(?:\x47.{191}){2}\x47", ".ts", "video"),
)

_HEAD = 576
"""Bytes of which a format is recognized: three packets of a transport stream."""


def ending_of(data: bytes | memoryview) -> str:
    """The extension for the format of `data` according to its first bytes, or `.bin`."""
    return _found(data)[0]


def kind_of(data: bytes | memoryview) -> Kind | None:
    """Whether `data` is an image, audio or video; None if its format is unknown."""
    return _found(data)[1]


def _found(data: bytes | memoryview) -> tuple[str, Kind | None]:
    head = bytes(data[:_HEAD])
    for signature, ending, kind in _SIGNATURES:
        if re.match(signature, head, re.DOTALL):
            return ending, kind
    return ".bin", None
