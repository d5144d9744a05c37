"""The audio track of a video as a file, without decoding it."""

from __future__ import annotations

import io
from typing import Any

from datajob.media.containers import SEEK_EARLY, audio_track, container, decoding, reason_of
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.references import TimeSpan

_FILES = {
    "aac": "ipod", "alac": "ipod", "mp3": "mp3", "opus": "ogg", "vorbis": "ogg", "flac": "flac",
    "pcm_s16le": "wav", "pcm_s24le": "wav", "pcm_f32le": "wav",
}  # fmt: skip
"""The format of the file for each codec, in names of FFmpeg."""
MAX_BYTES = (1 << 31) - 1
"""The maximum size of a value."""


def copied_audio(file: MediaFile, span: TimeSpan | None) -> bytes:
    """The packets of the audio track of a file, or of a time span of it, as a file. Raises MediaError."""
    import av

    module: Any = av
    file.seek(0)
    target = io.BytesIO()
    with container(file) as opened:
        track = audio_track(opened)
        codec = track.codec_context.name.removesuffix("float")
        if codec not in _FILES:
            raise MediaError("unsupportedFormat", f"{codec} cannot be copied; extract a reference and convert it")
        try:
            with module.open(target, "w", format=_FILES[codec]) as writer, decoding("audio"):
                copied = _copy(opened, track, writer, writer.add_stream_from_template(track), target, span)
        except (module.error.FFmpegError, ValueError) as error:
            raise MediaError("damaged", f"the audio cannot be copied: {reason_of(error)}") from error
    if not copied:
        raise MediaError("noSamples", "there is no audio in this time span" if span else "the audio track is empty")
    return target.getvalue()


def _copy(opened: Any, track: Any, writer: Any, new: Any, target: io.BytesIO, span: TimeSpan | None) -> int:
    """The number of copied packets."""
    origin = max(0, track.start_time or 0)
    unit = float(track.time_base)
    start, end = span or (0.0, None)
    if start:
        opened.seek(origin + int(max(0.0, start - SEEK_EARLY) / unit), stream=track)
    shift: int | None = None
    count = 0
    for packet in opened.demux(track):
        if packet.dts is None or packet.pts is None:
            continue
        time = (packet.pts - origin) * unit
        if end is not None and time >= end:
            break
        if span is not None and time + (packet.duration or 0) * unit <= start:
            continue
        shift = packet.dts if shift is None and span is not None else shift
        if shift:
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        packet.stream = new
        writer.mux(packet)
        count += 1
        if target.tell() > MAX_BYTES:
            raise MediaError("tooLarge", "the audio is larger than 2 GiB, the maximum size of a value")
    return count
