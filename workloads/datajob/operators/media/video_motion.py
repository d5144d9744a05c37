"""Meters of motion: the difference of frames, optical flow, and the motion vectors of the codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.media.errors import MediaError
from datajob.operators.media.video_meters import WIDTH, alike, luma_difference, no_frames

if TYPE_CHECKING:
    from datajob.media.small_frames import Pixels
    from datajob.media.video_frame import VideoFrame


@dataclass
class Samples:
    """Chooses frames: the first one, and then `fps` per second."""

    fps: float
    _next: float | None = None

    def includes(self, time: float) -> bool:
        """Whether the frame at a time is one of them."""
        if self._next is None:
            self._next = time
        if time < self._next - 1e-6:
            return False
        while self._next <= time + 1e-6:
            self._next += 1 / self.fps
        return True


class Mean:
    """A mean of numbers."""

    def __init__(self) -> None:
        self._sum, self.count = 0.0, 0

    def add(self, number: float) -> None:
        """Count a number."""
        self._sum += number
        self.count += 1

    def value(self) -> float:
        """The mean; 0 without numbers."""
        return self._sum / self.count if self.count else 0.0


class PairMeter:
    """The mean of a measure of pairs of chosen frames. If the video is too short, its last frame is the second one."""

    def __init__(self, fps: float) -> None:
        self._samples = Samples(fps)
        self._before: Pixels | None = None
        self._last: VideoFrame | None = None
        self._mean = Mean()

    def pixels(self, frame: VideoFrame) -> Pixels:
        """What is compared."""
        raise NotImplementedError

    def compare(self, now: Pixels, before: Pixels, frame: VideoFrame) -> float:
        """The measure of a pair. `frame` is the second frame."""
        raise NotImplementedError

    def add(self, frame: VideoFrame) -> None:
        """Compare with the chosen frame before, if this one is chosen."""
        if not self._samples.includes(frame.time):
            self._last = None if self._mean.count else frame
            return
        now = self.pixels(frame)
        if self._before is not None:
            self._mean.add(self.compare(now, alike(self._before, now), frame))
        self._before, self._last = now, None

    def value(self) -> float:
        """The mean; 0 if there is only one frame."""
        if self._before is None:
            raise no_frames()
        if self._last is not None and not self._mean.count:
            now = self.pixels(self._last)
            return self.compare(now, alike(self._before, now), self._last)
        return self._mean.value()


class FrameDifference(PairMeter):
    """The mean absolute difference of luma; 1 is that of black and white."""

    def pixels(self, frame: VideoFrame) -> Pixels:
        """The luma of a small frame."""
        return frame.small(WIDTH)

    def compare(self, now: Pixels, before: Pixels, frame: VideoFrame) -> float:
        """The difference."""
        return luma_difference(now, before, frame)


class OpticalFlow(PairMeter):
    """The mean length of Farneback's optical flow with the parameters of Data-Juicer.

    Relative to the diagonal, or in pixels of the video.
    """

    def __init__(self, fps: float, side: int | None, relative: bool) -> None:
        super().__init__(fps)
        self._side, self._relative = side, relative

    def pixels(self, frame: VideoFrame) -> Pixels:
        """The luma, reduced to a longer side by averaging areas."""
        import numpy as np

        from datajob.operators.kernels.area import reduced

        scale = 1.0 if self._side is None else min(1.0, self._side / max(frame.width, frame.height))
        if scale == 1:
            return np.array(frame.luma)
        width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        return reduced(np.ascontiguousarray(frame.luma), width, height)

    def compare(self, now: Pixels, before: Pixels, frame: VideoFrame) -> float:
        """The mean length of the flow."""
        import cv2
        import numpy as np

        compute: Any = cv2.calcOpticalFlowFarneback
        flow = compute(before, now, None, 0.5, 3, 15, 3, 5, 1.2, 0)
        length = float(np.hypot(flow[..., 0], flow[..., 1]).mean(dtype=np.float64))
        height, width = now.shape
        return length / float(np.hypot(width, height)) if self._relative else length * frame.width / width


class MotionVectors:
    """The mean length of the codec's motion vectors in chosen frames, over width plus height.

    A frame without vectors, such as a key frame, is replaced by the next one with vectors.
    """

    def __init__(self, fps: float) -> None:
        self._samples = Samples(fps)
        self._due = False
        self._frames = 0
        self._mean = Mean()

    def add(self, frame: VideoFrame) -> None:
        """Measure the vectors of the frame, if it is chosen."""
        self._frames += 1
        self._due = self._samples.includes(frame.time) or self._due
        vectors = frame.vectors if self._due else None
        if vectors is not None:
            self._due = False
            self._mean.add(mean_length(vectors, frame.width, frame.height))

    def value(self) -> float:
        """The mean. Raises MediaError if the codec has no vectors."""
        if not self._frames:
            raise no_frames()
        if not self._mean.count and self._frames > 1:
            raise MediaError("noMotionVectors", "the decoder of this codec returns no motion vectors; use another `method`")
        return self._mean.value()


def mean_length(vectors: Any, width: int, height: int) -> float:
    """The mean over the pixels of a frame; blocks without a vector do not move."""
    import numpy as np

    from datajob.operators.kernels.video import CELL, paint

    cells = np.zeros((-(-height // CELL), -(-width // CELL)), np.float32)
    blocks = np.stack([vectors[name].astype(np.int32) for name in ("dst_x", "dst_y", "w", "h")], axis=1)
    length = np.hypot(vectors["motion_x"], vectors["motion_y"]) / np.maximum(vectors["motion_scale"], 1)
    paint(np.ascontiguousarray(blocks), length.astype(np.float32), cells)
    return float(cells.mean(dtype=np.float64)) / (width + height)
