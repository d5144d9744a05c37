"""Containers that FFmpeg reads: from a file object, never from a path, and only formats of a list.

FFmpeg opens other formats too, such as playlists, which read more files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from datajob.media.errors import MediaError
from datajob.media.files import MediaFile

FORMATS = "wav,flac,mp3,ogg,mov,aac,matroska,webm,avi,mpegts"
"""In names of FFmpeg."""
BUFFER = 1 << 18
"""Bytes that FFmpeg asks for at once."""
SEEK_EARLY = 1.0
"""Seconds by which a seek precedes the audio that is needed: seeks are not precise, and decoders start with silence."""


@contextmanager
def container(file: MediaFile) -> Iterator[Any]:
    """A container of audio or video, opened by FFmpeg. Raises MediaError."""
    try:
        import av
    except ImportError as error:
        raise MediaError("unsupportedFormat", "the Python package `av` decodes this format, but is not installed") from error
    module: Any = av
    module.logging.restore_default_callback()  # Python callbacks of the log dead-lock threads
    options = {"format_whitelist": FORMATS, "protocol_whitelist": ""}
    try:
        opened = module.open(file, options=options, metadata_errors="ignore", buffer_size=BUFFER)
    except (module.error.FFmpegError, ValueError) as error:
        raise MediaError("damaged", f"the file cannot be opened: {reason_of(error)}") from error
    with opened:
        yield opened


@contextmanager
def decoding(what: str) -> Iterator[None]:
    """Errors of FFmpeg as MediaError (`damaged`)."""
    import av

    module: Any = av
    try:
        yield
    except module.error.FFmpegError as error:
        raise MediaError("damaged", f"the {what} cannot be decoded: {reason_of(error)}") from error


def audio_track(opened: Any) -> Any:
    """The first audio track. Raises MediaError."""
    if not opened.streams.audio:
        raise MediaError("noAudio", "the file has no audio track")
    return opened.streams.audio[0]


def reason_of(error: Exception) -> str:
    """What FFmpeg states."""
    return str(error.args[1] if len(error.args) > 1 else error)


def is_matroska(file: MediaFile) -> bool:
    """Whether a file is Matroska or WebM."""
    return file.part(0, 4) == b"\x1a\x45\xdf\xa3"


def is_avi(file: MediaFile) -> bool:
    """Whether a file is AVI."""
    head = file.part(0, 12)
    return head[:4] == b"RIFF" and head[8:] == b"AVI "


def is_transport_stream(file: MediaFile) -> bool:
    """Whether a file is an MPEG transport stream: packets of 188 bytes, or of 192 with a time stamp."""
    head = file.part(0, 1024)
    return any(len(head) > 4 * size and all(head[at + n * size] == 0x47 for n in range(4)) for at, size in ((0, 188), (4, 192)))
