"""Meters of video: differences of adjacent frames, black and static frames. Each sees the frames one by one."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

from datajob.media.errors import MediaError
from datajob.media.small_frames import resampled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.small_frames import Pixels
    from datajob.media.video_frame import VideoFrame

WIDTH = 256
"""Width of the frames that are compared, as in PySceneDetect."""


class Scores(NamedTuple):
    """The time of each frame in seconds, and how much it differs from the frame before: 0 to 255."""

    times: NDArray[np.float64]
    scores: NDArray[np.float64]


class SceneScores:
    """PySceneDetect's content value: the mean absolute difference of hue, saturation and value of adjacent frames."""

    def __init__(self, width: int = WIDTH) -> None:
        self._width = width
        self._times, self._scores = array("d"), array("d")
        self._before: Pixels | None = None

    def add(self, frame: VideoFrame) -> None:
        """Compare with the frame before."""
        found = frame.small_hsv(self._width)
        score = 0.0
        if self._before is not None:
            score = sum(distance(now, alike(before, now)) for now, before in zip(found, self._before, strict=True)) / 3
        self._times.append(frame.time)
        self._scores.append(score)
        self._before = found

    def value(self) -> Scores:
        """The scores of all frames."""
        import numpy as np

        if not self._times:
            raise no_frames()
        return Scores(np.array(self._times), np.array(self._scores))


class Shares:
    """The share of the time that passes while something is true."""

    def __init__(self) -> None:
        self._total = self._true = self._last = 0.0
        self._before: tuple[float, bool] | None = None

    def add(self, time: float, state: bool) -> None:
        """From this time on."""
        if self._before is not None:
            self._last = max(0.0, time - self._before[0])
            self._count(self._last, self._before[1])
        self._before = (time, state)

    def _count(self, seconds: float, state: bool) -> None:
        self._total += seconds
        self._true += seconds * state

    def value(self) -> float | None:
        """The share; None if nothing was added. The last state lasts as long as the one before it."""
        if self._before is None:
            return None
        self._count(self._last or 1.0, self._before[1])
        return self._true / self._total


class BlackFrames:
    """The share of the time with black frames: those with a share of at least `pixels` whose luma is at most `luma`."""

    def __init__(self, luma: float, pixels: float) -> None:
        self._luma, self._pixels = luma, pixels
        self._shares = Shares()

    def add(self, frame: VideoFrame) -> None:
        """Decide a frame."""
        from datajob.operators.kernels.video import dark

        luma = frame.small(WIDTH)
        black, white = frame.levels
        level = black + int(self._luma * (white - black))
        self._shares.add(frame.time, dark(luma.reshape(-1), level) >= self._pixels * luma.size)

    def value(self) -> float:
        """The share."""
        found = self._shares.value()
        if found is None:
            raise no_frames()
        return found


class StaticFrames:
    """The share of the time in which frames differ from the one before by less than `limit`, the mean difference of luma."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._shares = Shares()
        self._before: Pixels | None = None
        self._time = 0.0

    def add(self, frame: VideoFrame) -> None:
        """Compare with the frame before."""
        luma = frame.small(WIDTH)
        if self._before is not None:
            self._shares.add(self._time, luma_difference(luma, self._before, frame) < self._limit)
        self._before, self._time = luma, frame.time

    def value(self) -> float:
        """The share; 1 if there is only one frame."""
        if self._before is None:
            raise no_frames()
        found = self._shares.value()
        return 1.0 if found is None else found


def alike(before: Pixels, now: Pixels) -> Pixels:
    """The frame before at the size of this one: the size can change within a video."""
    return before if before.shape == now.shape else resampled(before, now.shape[1], now.shape[0])


def luma_difference(now: Pixels, before: Pixels, frame: VideoFrame) -> float:
    """The mean absolute difference of luma; 1 is that of black and white."""
    black, white = frame.levels
    return distance(now, alike(before, now)) / (white - black)


def distance(now: Pixels, before: Pixels) -> float:
    """The mean absolute difference of pixels."""
    from datajob.operators.kernels.video import difference

    return int(difference(now.reshape(-1), before.reshape(-1))) / now.size


def no_frames() -> MediaError:
    """The error of video without a frame."""
    return MediaError("noFrames", "the video has no frames")
