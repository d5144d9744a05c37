"""Images in the rows of a table: encoded bytes, paths, mappings of both (as Hugging Face datasets have), or pixels.

Files are decoded in the child process, which can crash, hang or exhaust its memory without harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats.storage import join, scheme_of
from datajob.media import image as media
from datajob.media.errors import MediaError
from datajob.media.headers import quick_header
from datajob.media.image import MAX_PIXELS as MAX_PIXELS
from datajob.media.image import ImageError as ImageError
from datajob.media.isolation import run_isolated
from datajob.operators.files import read_file

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class _Decoding:
    """What the child process does with an encoded image: the pixels of `decode`."""

    max_pixels: int

    def prepare(self) -> None:
        """Import the decoders before memory is limited."""
        import simplejpeg  # noqa: F401  # used by has_all_pixels
        from PIL import Image

        Image.init()

    def __call__(self, item: tuple[memoryview, ...]) -> Any:
        import numpy as np

        return np.asarray(media.decode(bytes(item[0]), self.max_pixels))


@dataclass(frozen=True)
class _Measuring(_Decoding):
    """Height and width of an image whose header only a decoder can read."""

    def __call__(self, item: tuple[memoryview, ...]) -> tuple[int, int]:
        return media.size_of(bytes(item[0]), self.max_pixels)


def decode(value: Any, max_pixels: int = MAX_PIXELS, folder: str | None = None) -> Image:
    """The image of a row as upright RGB; relative paths are below `folder`. Raises MediaError."""
    (found,) = decode_all([value], max_pixels, folder)
    if isinstance(found, MediaError):
        raise found
    return found


def decode_all(values: Sequence[Any], max_pixels: int = MAX_PIXELS, folder: str | None = None) -> list[Image | MediaError]:
    """The results of `decode` for several images: an error takes the place of an image that cannot be decoded."""
    from PIL import Image

    found: list[Any] = [_loaded(value, folder) for value in values]
    files = [position for position, each in enumerate(found) if isinstance(each, bytes)]
    decoded = run_isolated(_Decoding(max_pixels), [(found[position],) for position in files])
    for position, pixels in zip(files, decoded, strict=True):
        found[position] = pixels if isinstance(pixels, MediaError) else Image.fromarray(pixels)
    rest = set(range(len(found))).difference(files)
    return [_of_pixels(each, max_pixels) if position in rest else each for position, each in enumerate(found)]


def size_of(value: Any, max_pixels: int = MAX_PIXELS, folder: str | None = None) -> tuple[int, int]:
    """Height and width of the result of `decode`. Of an encoded image, only the header is read. Raises MediaError."""
    content = load(value, folder)
    if not isinstance(content, bytes) or quick_header(content) is not None:
        return media.size_of(content, max_pixels)
    (found,) = run_isolated(_Measuring(max_pixels), [(content,)])
    if isinstance(found, MediaError):
        raise found
    height, width = found
    return int(height), int(width)


def load(value: Any, folder: str | None) -> Any:
    """The encoded bytes, or the unchanged pixels. Raises ImageError."""
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


def _loaded(value: Any, folder: str | None) -> Any:
    try:
        return load(value, folder)
    except MediaError as error:
        return error


def _of_pixels(value: Any, max_pixels: int) -> Any:
    """The image of pixels, which need no decoder."""
    if isinstance(value, MediaError):
        return value
    try:
        return media.decode(value, max_pixels)
    except MediaError as error:
        return error


def _file(path: str, folder: str | None) -> bytes:
    if folder and not scheme_of(path) and not path.startswith("/"):
        path = join(folder, path)
    try:
        return read_file(path)
    except InputError as error:
        raise ImageError("unreadable", str(error)) from error
