"""What the headers of video files state: mp4, mov, mkv, webm, avi and MPEG transport streams."""

from __future__ import annotations

import struct

from datajob.media.containers import is_avi, is_matroska, is_transport_stream
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.matroska import is_cut, matroska_video
from datajob.media.mp4_boxes import is_mp4
from datajob.media.mp4_video import mp4_video
from datajob.media.signatures import kind_of
from datajob.media.video_types import VideoFacts, displayed

FORMATS = ("MP4", "MOV", "MKV", "WebM", "AVI", "TS")
_OTHERS = (
    (b"#EXTM3U", "a playlist"), (b"[playlist]", "a playlist"), (b"<?xml", "XML, such as a playlist"),
    (b"ffconcat", "a playlist"), (b"FLV\1", "FLV"), (b"\x30\x26\xb2\x75", "WMV"), (b"\0\0\1\xba", "MPEG-PS"),
    (b".RMF", "RealMedia"), (b"WEBVTT", "subtitles"), (b"1\n00:", "subtitles"), (b"[Script Info]", "subtitles"),
)  # fmt: skip
_NAMES = {"avi": "AVI", "mpegts": "TS", "mov": "MP4", "matroska": "Matroska"}


def read_facts(file: MediaFile) -> VideoFacts | None:
    """The facts of a file, without a decoder; None if only FFmpeg can read them.

    Raises MediaError: `empty`, `notVideo`, `unsupportedFormat`, `noVideo`, `noFrames`, `truncated`, `damaged`, `encrypted`.
    """
    head = file.part(0, 64)
    if not head:
        raise MediaError("empty", "the video is empty")
    try:
        if is_mp4(head):
            return mp4_video(file)
        if is_matroska(file):
            return matroska_video(file)
    except MediaError:
        raise
    except (struct.error, IndexError, ValueError) as error:
        raise MediaError("truncated", "the file ends within its header") from error
    if is_avi(file) or is_transport_stream(file):
        return None
    raise _unknown(head)


def ffmpeg_facts(file: MediaFile) -> VideoFacts:
    """The facts that FFmpeg finds, which also decodes the first frame. Raises MediaError."""
    from datajob.media.video_stream import open_video

    with open_video(file) as stream:
        frame = next(stream.frames(), None)
        if frame is None:
            raise MediaError("noFrames", "the video has no frame that can be decoded")
        track, opened = stream.track, stream.opened
        rotation = frame.rotation
        width, height, aspect = displayed(frame.width, frame.height, float(track.sample_aspect_ratio or 1), rotation)
        fps, count, has_audio = float(track.average_rate or 0) or None, track.frames or None, bool(opened.streams.audio)
        codec, name = track.codec_context.codec.name, opened.format.name.partition(",")[0]
        duration = float(track.duration * track.time_base) if track.duration else None
        if duration is None and opened.duration:
            duration = opened.duration / 1_000_000
    name = _NAMES.get(name, name)
    return VideoFacts(width, height, duration, fps, count, rotation, has_audio, codec, name, aspect)


def check_complete(file: MediaFile, facts: VideoFacts, end: float) -> None:
    """Raise MediaError if the last decoded frame ends much earlier than the header states, or the file before its end."""
    cut = facts.format == "Matroska" and is_cut(file)  # its duration is that of the longest track
    if facts.format == "MP4" and facts.duration is not None:
        cut = facts.duration - end > max(0.5, 0.02 * facts.duration)
    elif facts.format == "AVI":
        cut = file.size < int.from_bytes(file.part(4, 4), "little")
    if cut:
        raise MediaError("truncated", f"the file ends after {end:.1f} seconds of video, earlier than its header states")


def _unknown(head: bytes) -> MediaError:
    known = ", ".join(FORMATS)
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return MediaError("unsupportedFormat", f"the format is {name}; convert the file to one of {known}")
    found = kind_of(head)
    what = f"is {found}, not video" if found in ("image", "audio") else f"is not one of {known}, or its header is damaged"
    return MediaError("notVideo", f"the file {what}")
