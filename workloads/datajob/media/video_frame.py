"""One decoded frame of a video. Its arrays refer to the memory of the decoder where possible."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from datajob.media.small_frames import small_hsv, small_luma

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

FULL_RANGE = 2
"""FFmpeg's AVCOL_RANGE_JPEG."""


class VideoFrame:
    """A frame. Its arrays must not be changed, and a meter must copy what it keeps."""

    def __init__(self, raw: Any, time: float, key: bool) -> None:
        self.raw = raw
        """PyAV's frame."""
        self.time = time
        """Seconds after the first frame of the file or, within a clip (`#t=`), after the start of the clip."""
        self.key = key
        """Whether it is a key frame."""

    @property
    def width(self) -> int:
        """Pixels as stored: the rotation is not applied."""
        return int(self.raw.width)

    @property
    def height(self) -> int:
        """Pixels as stored."""
        return int(self.raw.height)

    @cached_property
    def luma(self) -> Pixels:
        """The luma plane: height x width, 8 bits, as stored. Read in place if the file has 8 bits."""
        return self._plane(0)

    @cached_property
    def planes(self) -> tuple[Pixels, Pixels, Pixels]:
        """Luma and both planes of color, which are usually half as wide and high."""
        return self.luma, self._plane(1), self._plane(2)

    @property
    def levels(self) -> tuple[int, int]:
        """The luma of black and of white: 16 and 235, or 0 and 255."""
        full = self._planar.format.name.startswith(("yuvj", "gray")) or self._planar.color_range == FULL_RANGE
        return (0, 255) if full else (16, 235)

    def small(self, width: int) -> Pixels:
        """The luma of the frame at a smaller width. Meters that ask for the same width share it."""
        if width not in self._small:
            self._small[width] = small_luma(self, width)
        return self._small[width]

    def small_hsv(self, width: int) -> Pixels:
        """Hue, saturation, and value (3 x height x width) of the frame at a smaller width."""
        return small_hsv(self, self.small(width))

    @cached_property
    def _small(self) -> dict[int, Pixels]:
        """Arrays only: an object that refers to the frame would keep the memory of the decoder until Python finds the cycle."""
        return {}

    @property
    def vectors(self) -> Any:
        """The motion vectors of the codec as a structured array; None if the frame has none, or they were not requested."""
        from av.sidedata import sidedata

        # `raw.side_data` would be a cycle: the frame would remain in memory until Python finds it
        container: Any = sidedata.SideDataContainer
        found = container(self.raw).get(sidedata.Type.MOTION_VECTORS)
        return None if found is None else found.to_ndarray().copy()

    @property
    def rotation(self) -> int:
        """Degrees by which it is turned clockwise to be displayed."""
        turned = -self.raw.rotation % 360
        return turned if turned % 90 == 0 else 0

    def rgb(self, longer: int | None = None) -> Pixels:
        """The frame as displayed (height x width x 3), reduced to a longer side by averaging areas. It is never enlarged."""
        import numpy as np

        scale = min(1.0, longer / max(self.width, self.height)) if longer else 1.0
        size = max(1, round(self.width * scale)), max(1, round(self.height * scale))
        options = {} if scale == 1 else {"width": size[0], "height": size[1], "interpolation": "AREA"}
        pixels = self.raw.to_ndarray(format="rgb24", threads=1, **options)
        return np.ascontiguousarray(np.rot90(pixels, -self.rotation // 90))

    @cached_property
    def _planar(self) -> Any:
        """The frame with planes of luma and color."""
        name = self.raw.format.name
        planar = name.startswith(("yuv", "gray")) and "yuyv" not in name
        return self.raw if planar else self.raw.reformat(format="yuv420p", threads=1)

    def _plane(self, number: int) -> Pixels:
        import numpy as np

        frame = self._planar
        if number and number >= len(frame.planes):  # gray
            return np.full((frame.height, frame.width), 128, np.uint8)
        plane = frame.planes[number]
        bits = frame.format.components[number].bits
        wide = np.dtype(np.uint8 if bits == 8 else ">u2" if frame.format.is_big_endian else "<u2")
        lines = np.frombuffer(plane, wide).reshape(plane.height, -1)[:, : plane.width]
        return np.asarray(lines if bits == 8 else lines >> (bits - 8), np.uint8)
