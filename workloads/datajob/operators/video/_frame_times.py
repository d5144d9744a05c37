"""Which frames of a video are extracted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from datajob.media.errors import MediaError
from datajob.media.video_frame import VideoFrame
from datajob.media.video_stream import VideoStream
from datajob.operators.media.clips import Clip


def uniform_times(count: int, start: float, end: float, last: float) -> list[float]:
    """Times at equal distances: the middle; or the first frame, the last one, and others between them."""
    if count == 1:
        return [(start + end) / 2]
    return [start + (max(last, start) - start) * number / (count - 1) for number in range(count)]


def rate_times(fps: float, start: float, end: float, limit: int) -> list[float]:
    """The start, and each further time at a rate. Raises MediaError if there are more than a limit."""
    count = max(1, int((end - start) * fps - 1e-9) + 1)
    check_count(count, limit)
    return [start + number / fps for number in range(count)]


def check_count(count: int, limit: int) -> None:
    """Raise MediaError if there are too many frames."""
    if count > limit:
        raise MediaError("tooManyFrames", f"more than {limit:,} frames (maxFrames)")


class At(NamedTuple):
    """A frame, and the position of the time for which it was requested."""

    number: int
    frame: VideoFrame


def frames_at(stream: VideoStream, times: Sequence[float]) -> Iterator[At]:
    """The frame that is displayed at each time, in the order of time."""
    order = sorted(range(len(times)), key=lambda at: times[at])
    for number, frame in zip(order, stream.at([times[at] for at in order]), strict=True):
        yield At(number, frame)


def key_frames(stream: VideoStream, clip: Clip, limit: int) -> Iterator[At]:
    """The key frames."""
    span = clip.reading.span
    for number, frame in enumerate(stream.frames(keys_only=True, span=span)):
        check_count(number + 1, limit)
        frame.time += span[0] if span else 0.0
        yield At(number, frame)
