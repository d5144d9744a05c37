"""The images of frames: the work of `extractFrames` in the child process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from datajob.media.errors import MediaError
from datajob.operators.media.video_steps import VideoSignature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datajob.media.picture import Encoding
    from datajob.media.video_stream import VideoStream
    from datajob.operators.media.clips import Clip
    from datajob.operators.video._frame_times import At

Select = Literal["uniform", "key", "fps", "times"]
_DISTINCT: tuple[Select, ...] = ("uniform", "fps")
MAX_BYTES = 1 << 30
"""Bytes of the images of a row."""


class FrameImages(VideoSignature):
    """The time and the file of each frame; the work of `extractFrames`."""

    abstract: ClassVar[bool] = True

    select: Select
    count: int
    fps: float
    times: tuple[float, ...]
    side: int | None
    format: Literal["jpeg", "png", "webp"]
    quality: int
    max_frames: int

    def sign(self, clip: Clip) -> list[tuple[float, bytes]]:
        """The frames, in the order of the times that were requested."""
        from datajob.media.picture import Encoding
        from datajob.media.video_facts import check_complete
        from datajob.media.video_stream import open_video

        if clip.reading.span and not clip.duration:
            raise MediaError("noFrames", "the time span is after the end of the video")
        encoding = Encoding(self.format.upper(), self.quality)
        with open_video(clip.reading.file, self.max_pixels) as stream:
            found = self._images(stream, clip, encoding)
            ended, end = stream.finished, stream.end
        if ended:
            check_complete(clip.reading.file, clip.facts, end)
        if not found:
            raise MediaError("noFrames", "no frame can be decoded")
        return found

    def _images(self, stream: VideoStream, clip: Clip, encoding: Encoding) -> list[tuple[float, bytes]]:
        from datajob.media.picture import Edited

        found: dict[int, tuple[float, bytes]] = {}
        last: tuple[Any, tuple[float, bytes]] | None = None
        size = 0
        for number, frame in self._frames(stream, clip):
            if last is not None and last[0] is frame:
                if self.select not in _DISTINCT:
                    found[number] = last[1]
                continue
            file = Edited(frame.rgb(self.side), encoding).file()
            size += len(file)
            if size > MAX_BYTES:
                raise MediaError("tooLarge", f"the frames have more than {MAX_BYTES:,} bytes; extract fewer or smaller ones")
            found[number] = (frame.time, file)
            last = frame, found[number]
        return [found[number] for number in sorted(found)]

    def _frames(self, stream: VideoStream, clip: Clip) -> Iterator[At]:
        from datajob.operators.video._frame_times import check_count, frames_at, key_frames, rate_times, uniform_times

        if self.select == "key":
            return key_frames(stream, clip, self.max_frames)
        start = clip.reading.span[0] if clip.reading.span else 0.0
        end = start + clip.duration
        if self.select == "times":
            times = [start + time for time in self.times]
            if times and max(times) > end:
                raise MediaError("noFrame", f"there is no frame at {max(self.times):g} s: the video has {clip.duration:.2f} s")
        elif self.select == "fps":
            times = rate_times(self.fps, start, end, self.max_frames)
        else:
            times = uniform_times(self.count, start, end, end - 1 / (clip.facts.fps or 25))
        check_count(len(times), self.max_frames)
        return frames_at(stream, times)
