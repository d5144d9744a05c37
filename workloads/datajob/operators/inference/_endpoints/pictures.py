"""Images of rows as URLs in requests."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

from datajob.formats.storage import join, scheme_of
from datajob.media.errors import MediaError
from datajob.media.headers import parse
from datajob.operators.inference._engines.base import Options, RequestError
from datajob.operators.media.image import decode, load

_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_PALETTE_HEADER = 1 << 12
"""Bytes at the start of a PNG in which transparency is declared."""


def image_url(image: Any, options: Options, by_url: bool) -> str:
    """The URL of an image: its own, or a data URL with its content. Raises RequestError.

    Every image is decoded, so that damaged ones fail in the same way as with a model in this process. JPEG, PNG and WebP files
    are sent as they are, unless servers could treat their orientation, transparency or colors differently. Others become PNG.
    """
    if by_url:
        return _web_url(image, options.folder)
    try:
        content = load(image, options.folder)
        pixels = decode(content, options.max_pixels, options.folder)
    except MediaError as error:
        raise RequestError(str(error)) from error
    if isinstance(content, bytes) and (kind := _plain(content)):
        return f"data:{kind};base64,{base64.b64encode(content).decode()}"
    encoded = io.BytesIO()
    pixels.save(encoded, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(encoded.getvalue()).decode()}"


def _plain(content: bytes) -> str | None:
    """The media type of a file that every server decodes to the same pixels."""
    header = parse(content)
    if header is None or header.format not in _TYPES or header.mode not in ("RGB", "L"):
        return None
    if header.orientation != 1 or header.frames != 1 or b"tRNS" in content[:_PALETTE_HEADER]:
        return None
    return _TYPES[header.format]


def _web_url(image: Any, folder: str | None) -> str:
    value = image.get("path") if isinstance(image, Mapping) else image
    if isinstance(value, str) and folder and not scheme_of(value) and not value.startswith("/"):
        value = join(folder, value)
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise RequestError("the image has no URL that starts with http:// or https://, which `images: url` requires")
    return value
