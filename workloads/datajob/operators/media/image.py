"""Images of any kind as upright 8-bit RGB, from bytes, paths or pixels; and how large they will be, from their headers.

What cannot be decoded raises ImageError with one reason that a person can act on.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats.storage import join, readable, resolve, scheme_of

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 100_000_000
"""Default limit of width x height: 300 MB as RGB."""
ORIENTATION = 0x0112
"""EXIF tag; values from 5 on swap width and height (CIPA DC-008, 4.6.5)."""
_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_pillow = threading.Lock()


class ImageError(ValueError):
    """An image that cannot be used; says why."""


def decode(value: Any, max_pixels: int = MAX_PIXELS, folder: str | None = None) -> Image:
    """The image as upright RGB; transparent parts are white, 16 bits become 8, of an animation the first frame.

    `value` is an encoded file (bytes), a path or URL (below `folder` when relative), a mapping with `bytes` or `path`
    (as Hugging Face datasets have), or pixels (height x width [x channels]). Raises ImageError.
    """
    from PIL import ImageOps

    if (pixels := _pixels(value)) is not None:
        return _rgb(_from_pixels(pixels))
    with _opened(value, max_pixels, folder) as image, _reasons():
        image.load()
        return _rgb(ImageOps.exif_transpose(image))


def size_of(value: Any, max_pixels: int = MAX_PIXELS, folder: str | None = None) -> tuple[int, int]:
    """Height and width of what `decode` will give; of an encoded image only the header is read. Raises ImageError."""
    if (pixels := _pixels(value)) is not None:
        return int(pixels.shape[0]), int(pixels.shape[1])
    with _opened(value, max_pixels, folder) as image, _reasons():
        turned = image.getexif().get(ORIENTATION, 1) >= 5
        return (image.width, image.height) if turned else (image.height, image.width)


def _pixels(value: Any) -> Any:
    """The array of an image that is decoded already, or None."""
    import numpy as np

    if isinstance(value, np.ndarray):
        return value
    return np.asarray(value) if isinstance(value, list | tuple) else None


def _from_pixels(pixels: Any) -> Image:
    import numpy as np
    from PIL import Image

    channels = pixels.shape[2] if pixels.ndim == 3 else 1 if pixels.ndim == 2 else 0
    if channels not in (1, 3, 4) or 0 in pixels.shape or pixels.dtype.kind not in "ui":
        raise ImageError(f"pixels of shape {pixels.shape} and type {pixels.dtype} are no image (height x width x 1, 3 or 4)")
    if pixels.max() > 255:
        pixels = pixels >> 8
    return Image.fromarray(np.ascontiguousarray(pixels.reshape(pixels.shape[:2]) if channels == 1 else pixels, dtype=np.uint8))


@contextmanager
def _opened(value: Any, max_pixels: int, folder: str | None) -> Iterator[Image]:
    from PIL import Image

    data = _encoded(value, folder)
    with _reasons(), _pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # ours, below, is the job's
        try:
            image = Image.open(io.BytesIO(data))
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    with image:
        if image.width * image.height > max_pixels:
            raise ImageError(f"the image has {image.width} x {image.height} pixels; `maxPixels` allows {max_pixels:,}")
        yield image


@contextmanager
def _reasons() -> Iterator[None]:
    """Whatever a decoder raises over bytes that somebody else made (a struct.error, a SyntaxError), as ImageError."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # decoders raise anything
        text = str(error).split(" <_io.BytesIO")[0] or type(error).__name__
        raise ImageError(f"the image cannot be decoded: {text}") from error


def _encoded(value: Any, folder: str | None) -> bytes:
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if value is None:
        raise ImageError("there is no image in this row")
    if isinstance(value, bytes | bytearray | memoryview):
        if not len(value):
            raise ImageError("the image has no bytes")
        return bytes(value)
    if isinstance(value, str):
        return _file(value, folder)
    raise ImageError(f"a {type(value).__name__} is no image: bytes, a path or pixels are")


def _file(path: str, folder: str | None) -> bytes:
    if folder and not scheme_of(path) and not path.startswith("/"):
        path = join(folder, path)
    try:
        with readable(path):
            filesystem, inner = resolve(path)
            with filesystem.open_input_stream(inner) as stream:
                return bytes(stream.read())
    except InputError as error:
        raise ImageError(str(error)) from error


def _rgb(image: Image) -> Image:
    """Colours as a viewer shows them on white paper."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.mode in _ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image) -> Image:
    """Grey of 16 bits, 32 bits or floats; Pillow itself would cut everything above 255 off."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    if values.dtype.kind == "f":
        values = values * 255 if values.size and np.nanmax(values) <= 1.0 else values
        values = np.nan_to_num(np.clip(values, 0, 255))
    elif image.mode.startswith("I;16") or (values.size and values.max() > 255):
        values = values >> 8
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
