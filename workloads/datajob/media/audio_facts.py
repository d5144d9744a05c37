"""What the headers of audio files state, read without a decoder: wav, flac, mp3, ogg, opus and m4a."""

from __future__ import annotations

import struct
from typing import NamedTuple

from datajob.media.audio_types import AudioFacts
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.mp3_facts import mp3_facts
from datajob.media.mp4_boxes import is_mp4
from datajob.media.mp4_facts import mp4_facts

FORMATS = ("WAV", "FLAC", "MP3", "OGG", "Opus", "M4A")
_PCM = {8: "pcm_u8", 16: "pcm_s16le", 24: "pcm_s24le", 32: "pcm_s32le"}
_WAV_CODECS = {2: "adpcm_ms", 6: "pcm_alaw", 7: "pcm_mulaw", 0x11: "adpcm_ima_wav", 0x31: "gsm_ms"}
_STREAMED = (0, 0xFFFFFFFF, 0x7FFFFFFF)
"""Sizes of the data of a WAV file that a program wrote to a pipe, where it could not return to the header."""
_TAIL = 1 << 17
"""Bytes at the end of an Ogg file that contain its last page, which has at most 65,307."""
_OTHERS = (
    (0, b"#EXTM3U", "a playlist"), (0, b"[playlist]", "a playlist"), (0, b"FORM", "AIFF"), (0, b"#!AMR", "AMR"),
    (0, b"\x30\x26\xb2\x75", "WMA"), (0, b"MThd", "MIDI"), (0, b"caff", "CAF"),
    (0, b"wvpk", "WavPack"), (0, b"MAC ", "Monkey's Audio"), (0, b".snd", "AU"), (0, b"DSD ", "DSF"),
    (0, b"WEBVTT", "subtitles"),
)  # fmt: skip


class _Ogg(NamedTuple):
    codec: str
    rate: int
    channels: int
    skip: int
    """Samples at the start that are not played."""


def read_facts(file: MediaFile) -> AudioFacts:
    """The facts of an audio file. Raises MediaError: `empty`, `notAudio`, `unsupportedFormat`, `noAudio`, `damaged`, ..."""
    head = file.part(0, 64)
    if not head:
        raise MediaError("empty", "the audio is empty")
    try:
        if head.startswith((b"RIFF", b"RF64")) and head[8:12] == b"WAVE":
            return _wav(file)
        if head.startswith(b"fLaC"):
            return _flac(file, 0)
        if head.startswith(b"OggS"):
            return _ogg(file)
        if is_mp4(head):
            return mp4_facts(file)
        if head.startswith(b"ID3") or (head[0] == 0xFF and len(head) > 1 and head[1] & 0xE0 == 0xE0):
            start = _after_tags(file)
            return _flac(file, start) if file.part(start, 4) == b"fLaC" else mp3_facts(file, start)
    except MediaError:
        raise
    except (struct.error, IndexError, ValueError) as error:
        raise MediaError("truncated", "the file ends within its header") from error
    raise _unknown(head)


def _unknown(head: bytes) -> MediaError:
    known = ", ".join(FORMATS)
    for offset, magic, name in _OTHERS:
        if head.startswith(magic, offset):
            return MediaError("unsupportedFormat", f"the format is {name}; convert the file to one of {known}")
    return MediaError("notAudio", f"the file is not one of {known}, or its header is damaged")


def _after_tags(file: MediaFile) -> int:
    """Where the audio starts: after any number of ID3 tags, which can contain pictures."""
    at = 0
    while (tag := file.part(at, 10))[:3] == b"ID3":
        size = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]
        at += 10 + size + (10 if tag[5] & 0x10 else 0)
    while at < file.size and file.part(at, 1) == b"\0":  # padding after a tag
        at += 1
    return at


def _wav(file: MediaFile) -> AudioFacts:
    """The length of the data is that of the file if the header states more, or nothing."""
    at, described, wide = 12, None, 0
    while len(header := file.part(at, 8)) == 8:
        name, size = struct.unpack("<4sI", header)
        if name == b"ds64":
            wide = struct.unpack("<Q", file.part(at + 16, 8))[0]
        elif name == b"fmt ":
            described = struct.unpack("<HHIIHH", file.part(at + 8, 16))
            if described[0] == 0xFFFE and size >= 40:
                described = (*struct.unpack("<H", file.part(at + 8 + 24, 2)), *described[1:])
        elif name == b"data":
            return _wav_facts(described, wide if file.part(0, 4) == b"RF64" and wide else size, file.size - at - 8)
        at += 8 + size + size % 2
    raise MediaError("truncated", "the WAV file has no data")


def _wav_facts(described: tuple[int, ...] | None, stated: int, left: int) -> AudioFacts:
    if described is None:
        raise MediaError("damaged", "the WAV file does not describe its samples")
    tag, channels, rate, byte_rate, align, bits = described
    if not channels or not rate or not align:
        raise MediaError("damaged", f"the WAV file states {channels} channels and {rate} Hz")
    size = left if stated in _STREAMED else min(stated, left)
    if tag in (1, 3):
        codec = _PCM.get(bits, f"pcm_{bits}") if tag == 1 else f"pcm_f{bits}le"
        seconds: float | None = size // align / rate
    else:
        codec, bits = _WAV_CODECS.get(tag, f"wav_{tag:#06x}"), 0
        seconds = size / byte_rate if byte_rate else None
    return AudioFacts(seconds, rate, channels, codec, "WAV", bits or None)


def _flac(file: MediaFile, start: int) -> AudioFacts:
    info = file.part(start + 8, 34)
    if len(info) < 34 or file.part(start + 4, 1)[0] & 0x7F:
        raise MediaError("damaged", "the FLAC file does not begin with its description")
    packed = int.from_bytes(info[10:18], "big")
    rate, channels, bits, samples = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
    if not rate:
        raise MediaError("damaged", "the FLAC file states 0 Hz")
    return AudioFacts(samples / rate if samples else None, rate, channels, "flac", "FLAC", bits)


def _ogg(file: MediaFile) -> AudioFacts:
    """The first page describes the stream; the last one states its end."""
    head = file.part(0, 4096)
    serial = head[14:18]
    first = head[27 + head[26] :]
    found = _ogg_stream(first)
    if found is None:
        raise MediaError("noAudio", "the Ogg file has no audio that can be decoded")
    if not found.rate or not found.channels:
        raise MediaError("damaged", "the Ogg file states 0 Hz or 0 channels")
    start = max(0, file.size - _TAIL)
    tail = file.part(start, _TAIL)
    at, end = tail.rfind(b"OggS"), 0
    while at >= 0:
        [granule] = struct.unpack_from("<q", tail, at + 6) if at + 14 <= len(tail) else (-1,)
        if granule > 0 and tail[at + 14 : at + 18] == serial:
            end = granule
            break
        at = tail.rfind(b"OggS", 0, at)
    seconds = max(0, end - found.skip) / found.rate if end else None
    return AudioFacts(seconds, found.rate, found.channels, found.codec, "OGG", None)


def _ogg_stream(packet: bytes) -> _Ogg | None:
    if packet.startswith(b"\x01vorbis"):
        channels, rate = struct.unpack_from("<BI", packet, 11)
        return _Ogg("vorbis", rate, channels, 0)
    if packet.startswith(b"OpusHead"):
        channels, skip = struct.unpack_from("<BH", packet, 9)
        return _Ogg("opus", 48_000, channels, skip)
    if packet.startswith(b"\x7fFLAC"):
        packed = int.from_bytes(packet[27:35], "big")
        return _Ogg("flac", packed >> 44, (packed >> 41 & 7) + 1, 0)
    return None
