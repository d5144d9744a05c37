"""The images of a request: their bytes, from data URLs or permitted hosts, checked by their headers before any is decoded."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote_to_bytes

from datajob.api.service.spec import RequestLimits
from datajob.media.errors import MediaError
from datajob.media.headers import quick_header
from datajob.operators.media.image import size_of
from datajob.serving.openai.errors import ApiError, invalid, invalid_image
from datajob.serving.openai.messages import ImageUrl

SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "JPEG"), (0, b"\x89PNG\r\n\x1a\n", "PNG"), (8, b"WEBP", "WEBP"), (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"), (0, b"BM", "BMP"),
)  # fmt: skip
"""Formats that are accepted: decoders of rare formats are less tested."""
FORMATS = tuple(dict.fromkeys(name for *_, name in SIGNATURES))
Download = Callable[[str, int], Awaitable[bytes]]
"""Downloads a web address of at most a number of bytes. Raises ApiError."""

_pool = ThreadPoolExecutor(2, "images")


async def read_images(images: Sequence[ImageUrl], limits: RequestLimits, download: Download | None) -> tuple[bytes, ...]:
    """The encoded images, whose formats, sizes and headers are valid. Raises ApiError that names the image."""
    if len(images) > limits.images:
        text = f"The request has {len(images)} images, but this service permits {limits.images}."
        raise invalid(text, "messages", "too_many_images")
    loop = asyncio.get_running_loop()
    found = []
    for image in images:
        try:
            url = image.url.strip()
            if url[:5].lower() == "data:":
                data = await loop.run_in_executor(_pool, from_data_url, url, limits.image_megabytes * 1_000_000)
            else:
                data = await _downloaded(url, limits.image_megabytes * 1_000_000, download)
            await loop.run_in_executor(_pool, check_image, data, limits.image_megapixels * 1_000_000)
        except ApiError as error:
            error.param = error.param or image.param
            raise
        found.append(data)
    return tuple(found)


def from_data_url(url: str, limit: int) -> bytes:
    """The bytes of a data URL, as browsers read it: with percent-encoding and whitespace. Raises ApiError."""
    head, comma, data = url.partition(",")
    if not comma:
        raise invalid("The data URL has no comma before its data.", code="invalid_image_url")
    _, semicolon, encoding = head.rpartition(";")
    is_base64 = bool(semicolon) and encoding.strip().lower() == "base64"
    if len(data) > 4 * limit:
        raise _too_large(limit)
    try:
        found = unquote_to_bytes(data) if "%" in data or not is_base64 else data.encode("ascii")
        found = _from_base64(found) if is_base64 else found
    except (binascii.Error, ValueError):
        raise invalid("The data URL does not contain valid base64.", code="invalid_base64") from None
    if len(found) > limit:
        raise _too_large(limit)
    return found


def _from_base64(data: bytes) -> bytes:
    """The bytes of base64, whose padding may be missing. Raises ValueError."""
    data = data.translate(None, b" \t\n\f\r").rstrip(b"=")
    return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)


def check_image(data: bytes, max_pixels: int) -> None:
    """Raise ApiError if the bytes are not an image of an accepted format and size. Only the header is read."""
    if not data:
        raise invalid("The image is empty.", code="invalid_image")
    if not any(data[at : at + len(magic)] == magic for at, magic, _ in SIGNATURES):
        raise invalid(f"The data is not an image in a supported format ({', '.join(FORMATS)}).", code="invalid_image_format")
    try:
        header = quick_header(data)
        height, width = (header.height, header.width) if header else size_of(data, 1 << 62)  # others by a decoder, isolated
    except MediaError as error:
        raise invalid_image(error.message) from None
    if width * height > max_pixels:
        text = f"The image has {width} x {height} pixels, but this service permits {max_pixels // 1_000_000} million."
        raise invalid(text, code="image_too_large")


async def _downloaded(url: str, limit: int, download: Download | None) -> bytes:
    if download is None or url[:8].lower() != "https://":
        scheme = "" if download is None else " other than https:// addresses of permitted hosts"
        text = f"This service does not download images{scheme}. Send the image as a data URL: data:image/jpeg;base64,..."
        raise invalid(text, code="invalid_image_url")
    return await download(url, limit)


def _too_large(limit: int) -> ApiError:
    return invalid(f"The image is larger than {limit // 1_000_000} MB, the limit of this service.", code="image_too_large")
