"""Video as the steps of a section see it: one pass over the frames, from which all steps measure.

The first step that asks for a measure runs the pass. The meters of all steps after it see the same frames. If all of them only
need key frames, only these are decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.lazy import lazy
from datajob.media.references import TimeSpan
from datajob.media.video_facts import check_complete, ffmpeg_facts, read_facts
from datajob.media.video_stream import open_video, too_many_pixels
from datajob.media.video_types import VideoFacts

if TYPE_CHECKING:
    from datajob.media.video_frame import VideoFrame
    from datajob.operators.media.video_steps import VideoStep


class FrameMeter(Protocol):
    """Measures the frames of a video one by one."""

    def add(self, frame: VideoFrame) -> None:
        """The next frame in the order of display. Its arrays must not be changed, and are copied if they are kept."""

    def value(self) -> Any:
        """The measure after the last frame. Raises MediaError if there is none."""


@dataclass
class VideoReading:
    """A value, the steps of its section, and what they have found."""

    open: Callable[[], MediaFile]
    span: TimeSpan | None
    steps: Sequence[VideoStep]
    found: dict[int, Any] = field(default_factory=dict)

    @lazy
    def file(self) -> MediaFile:
        """The encoded video."""
        return self.open()

    @lazy
    def header(self) -> VideoFacts | None:
        """What the header states; None if only FFmpeg can read it. Raises MediaError."""
        return read_facts(self.file)

    @lazy
    def facts(self) -> VideoFacts:
        """The facts of the file. Raises MediaError."""
        return self.header or ffmpeg_facts(self.file)

    def close(self) -> None:
        """Close the file, if it is open."""
        if "file" in self.__dict__:
            self.file.close()

    def position(self, step: VideoStep) -> int:
        """The position of a step of the section."""
        return next(at for at, other in enumerate(self.steps) if other is step)

    def run(self, start: int) -> None:
        """Decode for the step at a position and those after it."""
        meters = {
            at: meter for at, step in enumerate(self.steps) if at >= start and (meter := step.meter(self.facts)) is not None
        }
        measuring = [self.steps[at] for at in meters]
        keys_only = all(step.frames() == "key" for step in measuring)
        seconds = max(step.seconds_limit() for step in measuring)
        try:
            with open_video(
                self.file, max(step.pixel_limit() for step in measuring), any(step.vectors() for step in measuring)
            ) as stream:
                added = [(meter.add, self.steps[at].frames() == "key" and not keys_only) for at, meter in meters.items()]
                for frame in stream.frames(keys_only, self.span):
                    check_duration(frame.time, seconds)
                    for add, only_keys in added:
                        if frame.key or not only_keys:
                            add(frame)
            if stream.finished:
                check_complete(self.file, self.facts, stream.end)
        except MediaError as error:
            self.found.update(dict.fromkeys(meters, error))
            return
        for at, meter in meters.items():
            self.found[at] = _value(meter)


def check_duration(seconds: float, limit: float) -> None:
    """Raise MediaError if a video is longer than permitted."""
    if seconds > limit:
        raise MediaError("tooLong", f"the video is longer than {limit:,.0f} seconds (maxDuration)")


def _value(meter: FrameMeter) -> Any:
    try:
        return meter.value()
    except MediaError as error:
        return error


class Clip:
    """A video value: a file, or a part of one (`#t=`)."""

    def __init__(self, reading: VideoReading, changed: bytes | None = None) -> None:
        self.reading = reading
        self._changed = changed

    @property
    def facts(self) -> VideoFacts:
        """What the header of the file states. Raises MediaError."""
        return self.reading.facts

    @lazy
    def duration(self) -> float:
        """Seconds of the clip. If the header does not state those of the file, all packets are read. Raises MediaError."""
        whole = self.facts.duration
        start, end = self.reading.span or (0.0, None)
        if whole is None:
            with open_video(self.reading.file) as stream:
                whole = stream.last_time()
        return max(0.0, min(whole, whole if end is None else end) - start)

    def measured(self, step: VideoStep) -> Any:
        """What the meter of a step found. Raises MediaError."""
        position = self.reading.position(step)
        if position not in self.reading.found:
            self.reading.run(position)
        found = self.reading.found[position]
        if isinstance(found, MediaError):
            raise found
        return found

    def has_header(self, needs_duration: bool) -> bool:
        """Whether the header can be read without FFmpeg and states what is needed, or why it cannot be read is known."""
        try:
            header = self.reading.header
        except MediaError:
            return True  # reading it raises the error again
        return header is not None and (header.duration is not None or not needs_duration)

    def close(self) -> None:
        """Close the file."""
        self.reading.close()

    def edited(self, data: bytes, step: VideoStep) -> Clip:
        """The video after a map, for the steps after it."""
        after = self.reading.steps[self.reading.position(step) + 1 :]
        return Clip(VideoReading(lambda: MediaFile.of(data), None, after), data)

    def check(self, step: VideoStep) -> None:
        """Raise MediaError if the header states more pixels or a longer duration than the step permits."""
        if step.reads_headers():
            return
        if self.facts.width * self.facts.height > step.pixel_limit():
            raise too_many_pixels(self.facts.width, self.facts.height, step.pixel_limit())
        if self.facts.duration is not None:
            check_duration(self.duration, step.seconds_limit())

    def file(self) -> bytes | None:
        """The new file; None if no step has changed it."""
        return self._changed
