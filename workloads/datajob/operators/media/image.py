"""Images in the rows of a table: encoded bytes, paths, mappings of both (as Hugging Face datasets have), or pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats.storage import join, readable, resolve, scheme_of
from datajob.media import image as media
from datajob.media.image import MAX_PIXELS as MAX_PIXELS
from datajob.media.image import ImageError as ImageError

if TYPE_CHECKING:
    from PIL.Image import Image


def decode(value: Any, max_pixels: int = MAX_PIXELS, folder: str | None = None) -> Image:
    """The image of a row as upright RGB; relative paths are below `folder`. Raises ImageError."""
    return media.decode(_load(value, folder), max_pixels)


def size_of(value: Any, max_pixels: int = MAX_PIXELS, folder: str | None = None) -> tuple[int, int]:
    """Height and width of the result of `decode`. Of an encoded image, only the header is read. Raises ImageError."""
    return media.size_of(_load(value, folder), max_pixels)


def _load(value: Any, folder: str | None) -> Any:
    """The encoded bytes, or the unchanged pixels."""
    import numpy as np

    if isinstance(value, np.ndarray | list | tuple):
        return value
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if value is None:
        raise ImageError("noMedia", "the row has no image")
    if isinstance(value, bytes | bytearray | memoryview):
        if not len(value):
            raise ImageError("empty", "the image is empty")
        return bytes(value)
    if isinstance(value, str):
        return _file(value, folder)
    raise ImageError(
        "notAnImage", f"a value of type {type(value).__name__} is not an image: it must be bytes, a path or pixels"
    )


def _file(path: str, folder: str | None) -> bytes:
    if folder and not scheme_of(path) and not path.startswith("/"):
        path = join(folder, path)
    try:
        with readable(path):
            filesystem, inner = resolve(path)
            with filesystem.open_input_stream(inner) as stream:
                return bytes(stream.read())
    except InputError as error:
        raise ImageError("unreadable", str(error)) from error
