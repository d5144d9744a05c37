"""Parts of videos as files: packets are copied, or frames are encoded again."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from datajob.media.containers import container, reason_of
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.isolation import progress_made
from datajob.media.references import TimeSpan
from datajob.media.video_stream import open_video, video_track
from datajob.media.video_types import VideoFacts

_CONTAINERS = {"MP4": "mp4", "TS": "mp4", "MOV": "mov", "WebM": "webm"}
"""The container of copied packets by that of the file, if it is not Matroska."""
_IN_MP4 = {"aac", "mp3", "opus", "flac", "alac", "ac3", "eac3"}
"""Codecs of audio that players expect in MP4."""
_UNIT = Fraction(1, 60_000)
"""Of the times of encoded frames: usual frame rates have whole durations."""
_NEAR = 1e-6
ENCODERS = {
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "5", "b": "0", "lag-in-frames": "0"}),
    "av1": ("libsvtav1", {"preset": "9"}),
}
"""FFmpeg's names and options. Both are under BSD licenses."""


@dataclass
class _Packets:
    """Packets of a part, in the order of decoding. Times are in seconds since the first frame of the file."""

    track: Any
    origin: float
    found: list[Any]
    added: Any = None
    """The track of the new file."""

    def time(self, packet: Any) -> float:
        """The presentation time."""
        if packet.pts is None:
            raise MediaError("noTimes", "packets have no time stamps; use `reencode: true`")
        return float(packet.pts * packet.time_base) - self.origin


def copied(file: MediaFile, facts: VideoFacts, span: TimeSpan, key: Literal["before", "after"]) -> bytes:
    """A part from the last key frame before its start, or from the first one after it; its audio is copied too.

    Raises MediaError.
    """
    for target in _targets(span[0]):
        file.seek(0)
        with container(file) as opened:
            _seek(opened, target)
            part = _begun(opened, span, key)
            if part.reached or not target:
                return _file(part, facts, span)
    raise AssertionError("the last target is 0")


@dataclass
class _Part:
    """The first packets of a part, up to where its key frame is known, and those behind them, which are not read yet."""

    video: _Packets
    audio: _Packets | None
    rest: Iterator[tuple[_Packets, Any, float]]
    reached: bool = False
    """Whether a key frame at or before the start was seen."""


def _file(part: _Part, facts: VideoFacts, span: TimeSpan) -> bytes:
    """A part as a file."""
    if not part.video.found:
        until = "the end" if span[1] is None else f"{span[1]:g} s"
        raise MediaError("noKeyFrame", f"there is no key frame between {span[0]:g} s and {until}; use `reencode: true`")
    first = min(part.video.time(packet) for packet in part.video.found if packet.is_keyframe)
    with _output(_CONTAINERS.get(facts.format, "matroska")) as (target, result):
        tracks = [packets for packets in (part.video, part.audio) if packets is not None]
        for packets in tracks:
            packets.added = target.add_stream_from_template(packets.track)
        _mux(target, tracks, first)
        for packets, packet, time in part.rest:
            if time > first or (packets is part.audio and time >= first - _NEAR):  # others precede the key frame in display
                packets.found.append(packet)
                _mux(target, [packets], first)
    return result.getvalue()


def _begun(opened: Any, span: TimeSpan, key: str) -> _Part:
    """Read the packets of the part up to the first one that is displayed after its start."""
    track = video_track(opened)
    origin = float((track.start_time or 0) * track.time_base)
    video = _Packets(track, origin, [])
    audio = _Packets(opened.streams.audio[0], origin, []) if opened.streams.audio else None
    part = _Part(video, audio, _read(opened, video, audio, span[1]))
    for packets, packet, time in part.rest:
        is_video = packets is video
        part.reached = part.reached or (is_video and packet.is_keyframe and time <= span[0] + _NEAR)
        if not is_video or _belongs(video, packet, time, span[0], key):
            packets.found.append(packet)
        if is_video and video.found and time > span[0] + _NEAR:
            break
    return part


def _read(opened: Any, video: _Packets, audio: _Packets | None, end: float | None) -> Iterator[tuple[_Packets, Any, float]]:
    """The packets of both tracks up to the end of the part."""
    done = {id(packets): packets is None for packets in (video, audio)}
    for packet in opened.demux([packets.track for packets in (video, audio) if packets is not None]):
        packets = video if packet.stream.index == video.track.index else audio
        if packet.dts is None or packets is None or done[id(packets)]:
            continue
        time = packets.time(packet)
        if end is not None and time >= end - _NEAR:
            done[id(packets)] = True
        else:
            yield packets, packet, time
        progress_made()
        if all(done.values()):
            break


def _targets(start: float) -> Iterator[float]:
    """Times to seek to: that of the part and earlier ones, because a seek can miss its time in files without an index."""
    back = 0.0
    while back < start:
        yield start - back
        back = max(1.0, 4 * back)
    yield 0.0


def _seek(opened: Any, target: float) -> None:
    if target:
        track = video_track(opened)
        with _reported():
            opened.seek((track.start_time or 0) + int(target / track.time_base), stream=track)


def _belongs(video: _Packets, packet: Any, time: float, start: float, key: str) -> bool:
    """Whether a packet can be decoded in the part. A later key frame before the start replaces what was found."""
    if packet.is_keyframe and (not video.found or time <= start + _NEAR):
        if key == "after" and time < start - _NEAR:
            return False
        video.found.clear()
        return True
    return bool(video.found) and time > video.time(video.found[0])  # otherwise it precedes the key frame in display


def _mux(target: Any, tracks: Sequence[_Packets], first: float) -> None:
    """Write the packets that were found with times from `first` on."""
    packets = [(packets, packet) for packets in tracks for packet in packets.found]
    for track in tracks:
        track.found = []
    with _reported():
        for source, packet in sorted(packets, key=lambda pair: pair[1].dts * pair[1].time_base):
            if source.time(packet) < first - _NEAR and source.track.type == "audio":
                continue
            shift = round((first + source.origin) / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = source.added
            target.mux(packet)


def encoded(file: MediaFile, span: TimeSpan | None, codec: str, quality: int, max_pixels: int) -> bytes:
    """A part, or the whole file, encoded again; its audio is copied. Raises MediaError."""
    for target in _targets(span[0] if span else 0.0):
        file.seek(0)
        with container(file) as opened:
            _seek(opened, target)
            audio, reached = _audio_packets(opened, span or (0.0, None))
            if reached or not target:
                return _encoded_file(file, span, audio, _Encoding(codec, quality, max_pixels))
    raise AssertionError("the last target is 0")


class _Encoding(NamedTuple):
    codec: str
    quality: int
    max_pixels: int


def _encoded_file(file: MediaFile, span: TimeSpan | None, audio: _Packets | None, encoding: _Encoding) -> bytes:
    kind = "mp4" if audio is None or audio.track.codec_context.name in _IN_MP4 else "matroska"
    with _output(kind) as (target, result):
        if audio is not None:
            audio.added = target.add_stream_from_template(audio.track)
        encoder: Any = None
        with open_video(file, encoding.max_pixels) as stream:
            for frame in stream.frames(span=span):
                if encoder is None:
                    encoder = _encoder(target, frame, stream.track, encoding)
                with _reported():
                    target.mux(encoder.encode(_prepared(frame, encoder)))
        if encoder is None:
            raise MediaError("noFrames", "the part has no frames")
        with _reported():
            target.mux(encoder.encode(None))
        if audio is not None:
            _mux(target, [audio], span[0] if span else 0.0)
    return result.getvalue()


def _audio_packets(opened: Any, span: TimeSpan) -> tuple[_Packets | None, bool]:
    """The packets of the audio from the file's position on, and whether they begin before the part."""
    if not opened.streams.audio:
        return None, True
    start, end = span
    video = video_track(opened)
    audio = _Packets(opened.streams.audio[0], float((video.start_time or 0) * video.time_base), [])
    for packet in opened.demux(audio.track):
        if packet.dts is not None and (end is None or audio.time(packet) < end - _NEAR):
            audio.found.append(packet)
        elif packet.dts is not None:
            break
        progress_made()
    return audio, bool(audio.found) and audio.time(audio.found[0]) <= start


def _encoder(target: Any, frame: Any, track: Any, encoding: _Encoding) -> Any:
    name, options = ENCODERS[encoding.codec]
    found = target.add_stream(name, rate=track.average_rate or 30, options={**options, "crf": str(encoding.quality)})
    found.width, found.height, found.pix_fmt = frame.width, frame.height, "yuv420p"
    found.time_base = found.codec_context.time_base = _UNIT
    found.thread_count = 1
    if track.sample_aspect_ratio:
        found.codec_context.sample_aspect_ratio = track.sample_aspect_ratio
    if frame.rotation:
        found.set_display_rotation(-frame.rotation)
    return found


def _prepared(frame: Any, encoder: Any) -> Any:
    """The frame for the encoder: its size is that of the first frame."""
    prepared = frame.raw.reformat(width=encoder.width, height=encoder.height, format="yuv420p", threads=1)
    prepared.pts, prepared.time_base, prepared.pict_type = round(frame.time / _UNIT), _UNIT, 0
    return prepared


@contextmanager
def _output(kind: str) -> Iterator[tuple[Any, io.BytesIO]]:
    """A container to write to, and its bytes after it is closed."""
    import av

    result = io.BytesIO()
    target: Any = av.open(result, "w", format=kind)
    try:
        yield target, result
        with _reported():
            target.close()
    except BaseException:
        with suppress(Exception):
            target.close()
        raise


@contextmanager
def _reported() -> Iterator[None]:
    """Errors of FFmpeg as MediaError (`notWritable`)."""
    import av

    module: Any = av
    try:
        yield
    except (module.error.FFmpegError, ValueError) as error:
        raise MediaError("notWritable", f"the part cannot be written: {reason_of(error)}") from error
