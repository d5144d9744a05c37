"""Frames of video at a smaller size, which all meters of a section share.

The planes of the decoder are read in place at the points of a grid. Nothing is converted to RGB at full size.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.video_frame import VideoFrame

    Pixels = NDArray[np.uint8]

_WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
"""The weights of red and blue in luma by FFmpeg's number of the color space: BT.709, BT.2020."""
_BT601 = (0.299, 0.114)


def small_luma(frame: VideoFrame, width: int) -> Pixels:
    """The luma of a frame that is at most `width` wide, with linear interpolation as PySceneDetect and OpenCV reduce frames."""
    scale = min(1.0, width / frame.width)
    return resampled(frame.luma, max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))


def small_hsv(frame: VideoFrame, luma: Pixels) -> Pixels:
    """Hue, saturation, and value (3 x height x width) as in `cv2.COLOR_BGR2HSV`, from the luma of the small frame.

    The colors are those of the nearest samples.
    """
    import numpy as np

    from datajob.operators.kernels import video

    height, width = luma.shape
    blue, red = (resampled(plane, width, height, nearest=True) for plane in frame.planes[1:])
    matrix = _WEIGHTS.get(int(frame.raw.colorspace), _BT601)
    found = np.empty((3, height, width), np.uint8)
    factors = _to_rgb(matrix, frame.levels[0] == 0)
    video.hsv(luma.reshape(-1), blue.reshape(-1), red.reshape(-1), factors, found.reshape(3, -1))
    return found


def resampled(plane: Pixels, width: int, height: int, nearest: bool = False) -> Pixels:
    """A plane at another size, by linear interpolation of 4 pixels as `cv2.INTER_LINEAR`, or by the nearest pixel."""
    import numpy as np

    from datajob.operators.kernels import video

    if plane.shape == (height, width):
        return plane.copy()
    found = np.empty((height, width), np.uint8)
    rows, columns = _grid(plane.shape[0], height, nearest), _grid(plane.shape[1], width, nearest)
    if rows.exact and columns.exact:
        video.nearest(plane, rows.places, columns.places, found)
    else:
        video.linear(plane, rows.places, rows.weights, columns.places, columns.weights, found)
    return found


class _Grid(NamedTuple):
    places: NDArray[np.uint32]
    """A pixel of the plane for each new pixel."""
    weights: NDArray[np.int32]
    """The weights of the pixels behind it."""
    exact: bool
    """Whether all weights are zero."""


@lru_cache(maxsize=64)
def _grid(before: int, after: int, nearest: bool) -> _Grid:
    """How `after` pixels are made of `before`."""
    import numpy as np

    from datajob.operators.kernels.video import ONE

    places = (np.arange(after) + 0.5) * before / after
    if nearest or before < 2:
        return _Grid(np.minimum(places.astype(np.uint32), before - 1), np.zeros(after, np.int32), exact=True)
    places -= 0.5
    first = np.clip(np.floor(places).astype(np.int64), 0, before - 2)
    weights = np.clip(np.rint((places - first) * ONE), 0, ONE).astype(np.int32)
    return _Grid(first.astype(np.uint32), weights, exact=not weights.any())


@lru_cache(maxsize=16)
def _to_rgb(matrix: tuple[float, float], full_range: bool) -> Any:
    """The factors of `kernels.video.hsv`."""
    import numpy as np

    red, blue = matrix
    green = 1 - red - blue
    light, color = (1.0, 1.0) if full_range else (255 / 219, 255 / 224)
    to_green = 2 * (1 - blue) * blue / green, 2 * (1 - red) * red / green
    factors = (light, 2 * (1 - red) * color, to_green[0] * color, to_green[1] * color, 2 * (1 - blue) * color)
    return np.array([0 if full_range else 16, *(round(factor * 65536) for factor in factors)], np.int32)
