"""One image as several steps see it: facts from its header, and pixels that are decoded once for all of them.

Every step declares what it needs. The first step that asks for pixels decodes the image once, at the smallest scale that is
large enough for every step: JPEG decoders compute 1/2, 1/4 and 1/8 without decoding the rest. Each step then receives the
size that it declared, reduced by averaging areas.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

from datajob.media import complete, image
from datajob.media.headers import Header, quick_header
from datajob.media.image import MAX_PIXELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

Color = Literal["gray", "rgb"]
MAX_DECODED = 512 << 20
"""Bytes of the decoded images of a row, except for a single larger one."""


@dataclass(frozen=True)
class Need:
    """Pixels that a step needs: the whole image, or the image reduced to a side. Sides are never enlarged."""

    color: Color
    longer: int | None = None
    """Pixels of the longer side."""
    shorter: int | None = None
    """Pixels of the shorter side."""
    exact: bool = False
    """True: reduce from the full size, regardless of other steps. Measures of detail such as sharpness differ by up to 50 %
    if a JPEG decoder has reduced the image before; hashes and means hardly change."""

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The width and height of the pixels for an image of this size."""
        longer, shorter = max(width, height), min(width, height)
        scale = self.longer / longer if self.longer else self.shorter / shorter if self.shorter else 1.0
        return (width, height) if scale >= 1 else (max(1, round(width * scale)), max(1, round(height * scale)))


@dataclass(frozen=True)
class Encoding:
    """How pixels become a file."""

    format: str = "JPEG"
    quality: int = 95
    gray: bool = False
    """Write one channel instead of three."""


class Decoded:
    """The decoded images of a row. Beyond a limit, the least recently used are released, and decoded again if needed."""

    def __init__(self, limit: int = MAX_DECODED) -> None:
        self._limit = limit
        self._used: dict[int, Picture] = {}

    def use(self, picture: Picture) -> None:
        """State that an image was decoded or used."""
        self._used.pop(id(picture), None)
        self._used[id(picture)] = picture
        while len(self._used) > 1 and sum(one.decoded_bytes for one in self._used.values()) > self._limit:
            self._used.pop(next(iter(self._used))).release()


class Picture:
    """An image. Only what steps ask for is computed, and then shared by all steps."""

    def __init__(
        self,
        data: bytes | memoryview,
        needs: Iterable[Need] = (),
        max_pixels: int = MAX_PIXELS,
        decoded: Decoded | None = None,
    ) -> None:
        self.data = data
        """The encoded image."""
        self._decoded = decoded
        self._needs = tuple(needs)
        self._max_pixels = max_pixels
        self._bases: dict[Color, Pixels] = {}
        self._reduced: dict[tuple[Color, Color, tuple[int, int]], Pixels] = {}
        """By the color of the decoded image, the color of the need and its size."""

    def check(self, step: Any) -> None:
        """Raise ImageError if the image is larger than the step permits."""
        if step.needs():
            image.check_pixels(self.header.width, self.header.height, step.pixel_limit())

    def file(self) -> bytes | None:
        """None: the file is unchanged."""
        return None

    @cached_property
    def file_size(self) -> int:
        """Bytes of the file, as it is or as it is written."""
        return len(self.file() or self.data)

    @cached_property
    def header(self) -> Header:
        """What the header states. Raises ImageError if it is damaged or the format is not supported."""
        return quick_header(self.data) or image.read_header(bytes(self.data))

    @property
    def width(self) -> int:
        """In pixels, as displayed."""
        return self.header.upright[0]

    @property
    def height(self) -> int:
        """In pixels, as displayed."""
        return self.header.upright[1]

    @property
    def format(self) -> str:
        """Such as `JPEG`."""
        return self.header.format

    @property
    def mode(self) -> str:
        """Pillow's name of the pixel type of the file, such as `RGB`."""
        return self.header.mode

    @property
    def frames(self) -> int:
        """More than 1 for an animation, of which the first frame is used."""
        return self.header.frames

    def pixels(self, need: Need) -> Pixels:
        """The pixels of a declared need: 8-bit luma (height x width), or RGB (height x width x 3). Not to be changed.

        Raises ImageError if the image cannot be decoded, and ValueError for a need that no step declared.
        """
        if need not in self._needs:
            raise ValueError(f"the step did not declare that it needs {need}")
        key = self._source(need), need.color, need.size(self.width, self.height)
        if key not in self._reduced:
            self._reduced[key] = _as_needed(self._base(need), need, self.width, self.height)
        if self._decoded is not None:
            self._decoded.use(self)
        return self._reduced[key]

    @property
    def decoded_bytes(self) -> int:
        """Bytes of the pixels that it holds."""
        return sum(pixels.nbytes for pixels in (*self._bases.values(), *self._reduced.values()))

    def release(self) -> None:
        """Forget the pixels."""
        self._bases, self._reduced = {}, {}

    def on(self, background: image.Color) -> Pixels:
        """The whole image in RGB, with a color behind transparent pixels instead of white. Raises ImageError."""
        import numpy as np

        return np.asarray(image.decode(bytes(self.data), self._max_pixels, background))

    def _source(self, need: Need) -> Color:
        """The color of the decoded image that serves a need.

        A need of luma shares the RGB pixels of other needs, unless it is exact: luma from RGB differs from that of a JPEG by
        rounding, which changes measures of detail by up to 2 %.
        """
        if need.color == "rgb":
            return "rgb"
        exact = any(other.exact for other in self._needs if other.color == "gray")
        return "gray" if exact or all(other.color == "gray" for other in self._needs) else "rgb"

    def _base(self, need: Need) -> Pixels:
        """The image, upright, at the smallest scale that suffices for all needs with which this one shares it."""
        header, color = self.header, self._source(need)
        if color not in self._bases:
            image.check_pixels(header.width, header.height, self._max_pixels)
            served = [other for other in self._needs if self._source(other) == color]
            found = _decode_jpeg(self.data, header, color, self._smallest(served)) if header.format == "JPEG" else None
            self._bases[color] = _decode_any(self.data, color, self._max_pixels, header) if found is None else found
        return self._bases[color]

    def _smallest(self, needs: Sequence[Need]) -> tuple[int, int]:
        """The smallest width and height, as displayed, that suffice for the needs."""
        whole = self.width, self.height
        sizes = [whole if need.exact else need.size(*whole) for need in needs]
        return max(width for width, _ in sizes), max(height for _, height in sizes)


class Edited(Picture):
    """An image that a step has changed: pixels without a file, until the last step has run."""

    def __init__(self, rgb: Pixels, encoding: Encoding) -> None:
        super().__init__(b"")
        self._rgb = rgb
        self.encoding = encoding
        height, width = rgb.shape[:2]
        self.header = Header(width, height, encoding.format, "L" if encoding.gray else "RGB")

    def pixels(self, need: Need) -> Pixels:
        """The pixels of any need."""
        key: Any = "rgb", need.color, need.size(self.width, self.height)
        if key not in self._reduced:
            self._reduced[key] = _as_needed(self._rgb, need, self.width, self.height)
        return self._reduced[key]

    def check(self, step: Any) -> None:
        """Steps process what a step before has made."""

    def on(self, background: image.Color) -> Pixels:
        """The image, which has no transparent pixels any more."""
        return self._rgb

    def file(self) -> bytes:
        """The new file: without metadata, and with the usual subsampling of colors below quality 90."""
        from PIL import Image

        image.check_sides(self.width, self.height, self.encoding.format)
        stream = io.BytesIO()
        options: dict[str, Any] = {"quality": self.encoding.quality} if self.encoding.format != "PNG" else {}
        if self.encoding.format == "JPEG":
            options["subsampling"] = "4:4:4" if self.encoding.quality >= 90 else "4:2:0"
        pixels = Image.fromarray(self._rgb)
        pixels = pixels.convert("L") if self.encoding.gray else pixels
        pixels.save(stream, self.encoding.format, **options)
        return stream.getvalue()


def _as_needed(pixels: Pixels, need: Need, width: int, height: int) -> Pixels:
    """Pixels of an image of this size in the size and the color of a need."""
    size = need.size(width, height)
    if pixels.shape[1::-1] != size:
        pixels = averaged(pixels, size)
    return luma(pixels) if need.color == "gray" and pixels.ndim == 3 else pixels


def averaged(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Pixels reduced to a width and height by averaging areas. OpenCV is only faster by a factor of 2."""
    import cv2

    from datajob.operators.kernels.area import reduced

    if pixels.shape[1::-1] == (2 * size[0], 2 * size[1]):
        return cast("Pixels", cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
    return reduced(pixels, *size)


def luma(rgb: Pixels) -> Pixels:
    """8-bit luma as Pillow converts to mode `L` (ITU-R BT.601)."""
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(rgb).convert("L"))


def _decode_jpeg(data: bytes | memoryview, header: Header, color: Color, smallest: tuple[int, int]) -> Pixels | None:
    """The image at a scale of at least `smallest`; None if the decoder refuses the file, which Pillow may accept."""
    import numpy as np
    import simplejpeg

    if header.mode not in ("L", "RGB"):
        return None
    width, height = smallest if header.orientation < 5 else smallest[::-1]
    try:
        found = simplejpeg.decode_jpeg(
            data, "GRAY" if color == "gray" else "RGB", min_width=width, min_height=height, min_factor=1, strict=True
        )
    except ValueError as error:
        if complete.warns_of_missing_data(str(error)):
            raise image.too_few_pixels() from error
        return None
    found = found[:, :, 0] if color == "gray" else found
    return np.ascontiguousarray(_upright(found, header.orientation))


def _upright(pixels: Any, orientation: int) -> Any:
    """Pixels as displayed, for an EXIF orientation (CIPA DC-008, 4.6.5)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _decode_any(data: bytes | memoryview, color: Color, max_pixels: int, header: Header) -> Pixels:
    """The whole image, decoded by Pillow."""
    import numpy as np

    found = image.decode(bytes(data), max_pixels)
    image.check_decoded(found.size, header.upright)
    return np.asarray(found.convert("L") if color == "gray" else found)
