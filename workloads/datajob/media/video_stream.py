"""Decoded video, frame by frame: nothing holds more than the frames of the decoder.

Times are those of the time stamps in the file, never positions divided by a frame rate, and start with the first frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import floor
from typing import Any

from datajob.media.containers import container, decoding
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.isolation import progress_made
from datajob.media.references import TimeSpan
from datajob.media.video_frame import VideoFrame

MAX_PIXELS = 100_000_000
"""Default limit of the pixels of a frame."""
_NEAR = 1e-6
"""Seconds by which rounded times may differ."""
_FEW_FRAMES = 4
"""Frames that are decoded rather than skipped by a seek."""
_AHEAD = 4
"""Packets that are read before one is decoded, to find out whether its frame is needed."""
_FAR = 10.0
"""Seconds from which a seek is tried in a file without an index."""


class VideoStream:
    """The first video track of an open file."""

    def __init__(self, opened: Any, max_pixels: int, vectors: bool = False) -> None:
        self.opened = opened
        """PyAV's container."""
        self.track = video_track(opened)
        self._context = self.track.codec_context
        self._max_pixels = max_pixels
        self._check_pixels(self._context.width, self._context.height)
        self.track.thread_count = 1
        if vectors:
            self._context.options = {"flags2": "+export_mvs"}
        _discard_others(opened, self.track)
        self._unit = float(self.track.time_base)
        self._origin = self.track.start_time or 0
        self._last = self._next = 0.0
        self.end = 0.0
        """Where the last frame ends that was read, in seconds after the first frame."""
        self.finished = False
        """Whether all frames after the last seek were read."""
        self._wanted: float | None = None
        """The time up to which only the last frame is needed; None: all frames are."""

    def frames(self, keys_only: bool = False, span: TimeSpan | None = None) -> Iterator[VideoFrame]:
        """All frames, or the key frames, of the file or of a part of it. Raises MediaError."""
        start, end = span or (0.0, None)
        self._wanted = start if start > 0 else None
        found = self._from(start, keys_only) if start > 0 else self._decoded(keys_only)
        for frame in found:
            if end is not None and frame.time >= end - _NEAR:
                return
            if frame.time >= start - _NEAR:
                frame.time = max(0.0, frame.time - start)
                yield frame

    def at(self, times: Sequence[float]) -> Iterator[VideoFrame]:
        """The frame that is displayed at each of some ascending times: the last one that does not start after it.

        It seeks where that saves decoding, and decodes on where it does not. Frames that are not needed to decode others are
        skipped. Raises MediaError.
        """
        if not times:
            return
        self._wanted = times[0]
        found = self._from(times[0])  # this also reads the index of Matroska files
        shown = coming = next(found, None)
        for self._wanted in times:
            time = self._wanted
            if coming is not None and self._skips(coming.time, time):
                found = self._from(time)
                shown = coming = next(found, None)
            while coming is not None and coming.time <= time + _NEAR:
                shown, coming = coming, next(found, None)
            if shown is None:
                raise MediaError("noFrames", "the video has no frame that can be decoded")
            yield shown

    def last_time(self) -> float:
        """The end of the last frame according to the packets, which are read to the end of the file. Nothing is decoded."""
        with decoding("video"):
            for packet in self.opened.demux(self.track):
                self._skip(packet)
                progress_made()
        return self.end

    def packets(self, span: TimeSpan | None = None) -> Iterator[bytes]:
        """The encoded frames of the file or of a part of it, in the order of decoding. Raises MediaError if there are none."""
        start, end = span or (0.0, None)
        found = False
        with decoding("video"):
            for packet in self.opened.demux(self.track):
                stamp = packet.dts if packet.pts is None else packet.pts
                time = 0.0 if stamp is None else (stamp - self._origin) * self._unit
                if packet.size and time >= start - _NEAR and (end is None or time < end - _NEAR):
                    found = True
                    yield bytes(packet)
                progress_made()
        if not found:
            raise MediaError("noFrames", "the video has no frames")

    def _skips(self, now: float, time: float) -> bool:
        """Whether a seek to `time` skips frames that would be decoded otherwise."""
        index = self.track.index_entries
        if not len(index):
            return time - now > _FAR
        by_display = "matroska" in self.opened.format.name  # other indexes have decoding times
        first = self._origin if by_display else index[0].timestamp
        at = index.search_timestamp(first + int((time + _NEAR) / self._unit))
        key = -1.0 if at < 0 else (index[at].timestamp - first) * self._unit
        return bool(key > now + _FEW_FRAMES / float(self.track.average_rate or 25))

    def _from(self, time: float, keys_only: bool = False) -> Iterator[VideoFrame]:
        """Frames from the last key frame at or before a time."""
        target = time
        while True:
            earlier = self._seek(target)
            found = self._decoded(keys_only, from_key=True)
            first = next(found, None)
            if not earlier or target < -_FAR or (first is not None and first.time <= time + _NEAR):
                if first is not None:
                    yield first
                yield from found
                return
            target = time - max(1.0, 4 * (time - target))  # the seek was not precise

    def _seek(self, target: float) -> bool:
        """Move to a key frame, which should be at or before a time. False: to the first one, as there is none before it."""
        import av

        module: Any = av
        self._last = self._next = 0.0
        try:
            self.opened.seek(self._origin + floor(target / self._unit), stream=self.track)
        except module.error.FFmpegError:
            with decoding("video"):
                self.opened.seek(self._origin, stream=self.track, backward=False)
            return False
        return True

    def _decoded(self, keys_only: bool = False, from_key: bool = False) -> Iterator[VideoFrame]:
        """Frames from the current position on, in the order of display."""
        if keys_only:
            self._context.skip_frame = "NONKEY"
        with decoding("video"):
            for packet, passed in self._ahead():
                if (keys_only or from_key) and packet.size and not packet.is_keyframe:  # some decoders do not skip frames
                    self._skip(packet)
                    continue
                from_key = False
                if not keys_only:
                    self._context.skip_frame = "NONREF" if passed else "DEFAULT"
                for raw in packet.decode():
                    yield self._frame(raw)
        self.finished = True

    def _ahead(self) -> Iterator[tuple[Any, bool]]:
        """Packets, and whether a later one is displayed after it and not after the wanted time."""
        coming: deque[Any] = deque()
        for packet in self.opened.demux(self.track):
            coming.append(packet)
            while len(coming) > (0 if self._wanted is None else _AHEAD):
                first = coming.popleft()
                yield first, self._is_passed(first, coming)
        for packet in coming:
            yield packet, False

    def _is_passed(self, packet: Any, coming: Iterable[Any]) -> bool:
        if self._wanted is None or packet.pts is None:
            return False
        last = self._origin + (self._wanted + _NEAR) / self._unit
        return any(other.pts is not None and packet.pts < other.pts <= last for other in coming)

    def _skip(self, packet: Any) -> None:
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None:
            self.end = max(self.end, (stamp - self._origin + (packet.duration or 0)) * self._unit)

    def _frame(self, raw: Any) -> VideoFrame:
        self._check_pixels(raw.width, raw.height)
        if raw.is_corrupt:
            raise MediaError("damaged", "a frame of the video is damaged")
        stamp = raw.dts if raw.pts is None else raw.pts
        step = (raw.duration or 0) * self._unit or 1 / float(self.track.average_rate or 25)
        time = self._next if stamp is None else (stamp - self._origin) * self._unit
        self._last = max(self._last, time)
        self._next = self._last + step
        self.end = max(self.end, self._next)
        progress_made()
        return VideoFrame(raw, self._last, bool(raw.key_frame))

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise too_many_pixels(width, height, self._max_pixels)


@contextmanager
def open_video(file: MediaFile, max_pixels: int = MAX_PIXELS, vectors: bool = False) -> Iterator[VideoStream]:
    """The video of a file; with the motion vectors of its codec if they are needed. Raises MediaError."""
    file.seek(0)
    with container(file) as opened:
        yield VideoStream(opened, max_pixels, vectors)


def too_many_pixels(width: int, height: int, limit: int) -> MediaError:
    """Frames are larger than permitted."""
    return MediaError("tooManyPixels", f"frames of {width} x {height} pixels; the limit is {limit:,} (maxPixels)")


def video_track(opened: Any) -> Any:
    """The first video track that is not a cover picture. Raises MediaError."""
    from av.stream import Disposition

    for track in opened.streams.video:
        if not track.disposition & Disposition.attached_pic:
            if track.codec_context is None:
                raise MediaError("unsupportedFormat", "the codec of the video is unknown")
            return track
    raise MediaError("noVideo", "the file has no video track")


def _discard_others(opened: Any, track: Any) -> None:
    """Do not read other tracks."""
    from av.stream import Discard

    for other in opened.streams:
        if other.index != track.index:
            other.discard = Discard.all
