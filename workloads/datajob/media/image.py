"""Encoded images and pixels as upright 8-bit RGB, and what their headers state.

Raises ImageError with an actionable reason.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from datajob.media import complete
from datajob.media.errors import MediaError
from datajob.media.files import Lazy, MediaFile
from datajob.media.headers import Header, parse

if TYPE_CHECKING:
    from PIL.Image import Image

Color = tuple[int, int, int]
"""Red, green and blue from 0 to 255."""
WHITE: Color = (255, 255, 255)
MAX_PIXELS = 100_000_000
"""Default limit of width x height: 300 MB as RGB."""
ORIENTATION = 0x0112
"""EXIF tag."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Formats that are decoded: decoders of rare formats are less tested, and some start other programs."""
_OTHER_FORMATS = (
    (0, b"%!PS", "PostScript"), (0, b"%PDF-", "PDF"), (0, b"SIMPLE  =", "FITS"), (0, b"8BPS", "Photoshop"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"), (0, b"\xff\x4f\xff\x51", "JPEG 2000"), (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"), (4, b"ftypheic", "HEIC"), (4, b"ftypheix", "HEIC"), (4, b"ftyphevc", "HEIC"),
    (4, b"ftypmif1", "HEIF"), (4, b"ftypmsf1", "HEIF"), (0, b"<svg", "SVG"), (0, b"<?xml", "SVG or XML"),
    (0, b"\x00\x00\x01\x00", "icon"), (0, b"DDS ", "DDS"), (0, b"P6", "PPM"),
    (0, b"P5", "PGM"), (0, b"\x76\x2f\x31\x01", "OpenEXR"),
)  # fmt: skip
_MAGIC = 64
"""Bytes at the start of a file that name its format."""
_MAX_SIDES = {"JPEG": 65_500, "WEBP": 16_383}
"""Pixels per side that the formats, or their encoders, allow."""
_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_pillow = threading.Lock()


class ImageError(MediaError):
    """An image that cannot be used, and why.

    Reasons: `noMedia`, `empty`, `notAnImage`, `unsupportedFormat`, `tooManyPixels`, `truncated`, `damaged`.
    """


def read_header(data: bytes | MediaFile) -> Header:
    """The header of an encoded image of any size; no pixel is decoded. Of a file, few parts are read. Raises ImageError."""
    if header := parse(Lazy(data) if isinstance(data, MediaFile) else data):
        return header
    with _opened(data) as image, _reasons(), _quiet():
        turned = image.getexif().get(ORIENTATION, 1) if image.format != "PNG" else 1  # would decode it
        orientation = turned if turned in range(1, 9) else 1
        frames = getattr(image, "n_frames", 1)
        width, height = image.size
        if image.format == "TIFF" and orientation >= 5:  # Pillow states the size as displayed
            width, height = height, width
        return Header(width, height, str(image.format), image.mode, orientation, frames)


def decode(image: Any, max_pixels: int = MAX_PIXELS, background: Color = WHITE) -> Image:
    """An upright RGB image from an encoded image (bytes) or pixels (height x width [x channels]). Raises ImageError.

    Transparent pixels show the background, 16 bits are reduced to 8, and the first frame of an animation is used.
    """
    from PIL import ImageOps

    if (pixels := _pixels(image)) is not None:
        return _rgb(_from_pixels(pixels), background)
    with _opened(image, max_pixels) as opened, _reasons():
        if not complete.has_all_tiles(opened):
            raise too_few_pixels()
        opened.load()
        if not complete.has_all_pixels(opened, image):
            raise too_few_pixels()
        return _rgb(ImageOps.exif_transpose(opened), background)


def size_of(image: Any, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Height and width of the result of `decode`. Of an encoded image, only the header is read. Raises ImageError."""
    if (pixels := _pixels(image)) is not None:
        return int(pixels.shape[0]), int(pixels.shape[1])
    header = read_header(image)
    check_pixels(header.width, header.height, max_pixels)
    width, height = header.upright
    return height, width


def _pixels(value: Any) -> Any:
    """The array of an image that is already decoded, or None."""
    import numpy as np

    if isinstance(value, np.ndarray):
        return value
    return np.asarray(value) if isinstance(value, list | tuple) else None


def _from_pixels(pixels: Any) -> Image:
    import numpy as np
    from PIL import Image

    channels = pixels.shape[2] if pixels.ndim == 3 else 1 if pixels.ndim == 2 else 0
    if channels not in (1, 3, 4) or 0 in pixels.shape or pixels.dtype.kind not in "ui":
        raise ImageError(
            "notAnImage",
            f"pixels of shape {pixels.shape} and type {pixels.dtype} are not an image (height x width x 1, 3 or 4)",
        )
    if pixels.max() > 255:
        pixels = pixels >> 8
    return Image.fromarray(np.ascontiguousarray(pixels.reshape(pixels.shape[:2]) if channels == 1 else pixels, dtype=np.uint8))


@contextmanager
def _opened(data: bytes | MediaFile, max_pixels: int | None = None) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    file: Any = data if isinstance(data, MediaFile) else io.BytesIO(data)
    with _reasons(), _quiet():
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # `max_pixels` is the limit here
        try:
            image = Image.open(file, formats=FORMATS)
        except UnidentifiedImageError:
            raise _unidentified(data.part(0, _MAGIC) if isinstance(data, MediaFile) else data[:_MAGIC]) from None
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    with image:
        check_pixels(image.width, image.height, max_pixels)
        yield image


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings about damaged metadata. Filters of warnings are global, as are the limits of Pillow."""
    with _pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _unidentified(data: bytes) -> ImageError:
    """Why Pillow does not recognize a file."""
    if not len(data):
        return ImageError("empty", "the image is empty")
    supported = ", ".join(FORMATS)
    for offset, magic, name in _OTHER_FORMATS:
        if data[offset : offset + len(magic)] == magic:
            return ImageError("unsupportedFormat", f"the format {name} is not supported; convert it to one of {supported}")
    return ImageError("notAnImage", f"the file cannot be decoded: it is not one of {supported}, or its header is damaged")


def check_pixels(width: int, height: int, max_pixels: int | None) -> None:
    """Raise ImageError if an image has more pixels than the limit."""
    if max_pixels is not None and width * height > max_pixels:
        raise ImageError("tooManyPixels", f"the image has {width} x {height} pixels; `maxPixels` allows {max_pixels:,}")


def check_decoded(size: tuple[int, int], stated: tuple[int, int]) -> None:
    """Raise ImageError if a decoded image is not as large as its header states: all results would be distorted."""
    if size != stated:
        text = f"the header states {stated[0]} x {stated[1]} pixels, but the decoded image has {size[0]} x {size[1]}"
        raise ImageError("damaged", text)


def too_few_pixels() -> ImageError:
    """The error for a file that ends early, of which decoders make black or gray pixels."""
    return ImageError("truncated", "the image cannot be decoded: the file contains fewer pixels than its header states")


def check_sides(width: int, height: int, format: str) -> None:
    """Raise ImageError if a format cannot store an image of this size."""
    limit = _MAX_SIDES.get(format)
    if limit is not None and max(width, height) > limit:
        raise ImageError(
            "tooManyPixels",
            f"the new image has {width} x {height} pixels, but {format} allows {limit:,} per side; reduce it or write PNG",
        )


@contextmanager
def _reasons() -> Iterator[None]:
    """Convert any error that a decoder raises for invalid bytes (such as struct.error or SyntaxError) to ImageError."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # decoders raise any exception
        text = str(error).split(" <_io.BytesIO")[0] or type(error).__name__
        reason = "truncated" if "truncated" in text.lower() else "damaged"
        raise ImageError(reason, f"the image cannot be decoded: {text}") from error


def _rgb(image: Image, background: Color) -> Image:
    """Colors as displayed on a background."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.mode in _ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, background)
        return Image.alpha_composite(paper, image).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image) -> Image:
    """Grayscale of 16 bits, 32 bits or floats. Pillow would truncate values above 255."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    if values.dtype.kind == "f":
        values = values * 255 if values.size and np.nanmax(values) <= 1.0 else values
        values = np.nan_to_num(np.clip(values, 0, 255))
    elif image.mode.startswith("I;16") or (values.size and values.max() > 255):
        values = values >> 8
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
