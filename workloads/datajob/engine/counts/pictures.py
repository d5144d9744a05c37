"""Pictures of the media of example rows, drawn in the process that decodes media."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from datajob.errors import DataJobError
from datajob.formats.media_files import fetch
from datajob.media.errors import MediaError
from datajob.media.isolation import run_isolated
from datajob.media.pictures import picture_of
from datajob.media.references import is_url
from datajob.media.signatures import kind_of
from datajob.media.values import MediaValue, is_bytes, is_media, media_values

if TYPE_CHECKING:
    import pyarrow as pa

ITEMS = 3
"""Items of a list that are drawn."""
MAX_BYTES = 16 << 20
"""Larger values are not drawn."""


def pictures(rows: pa.Table) -> list[dict[str, list[str]]]:
    """The pictures of each of a few rows, by column. A value that cannot be drawn is left out; it is no reason to stop."""
    places: list[tuple[int, str]] = []
    items: list[tuple[Any, ...]] = []
    for field in rows.schema:
        if not (is_media(field.type) or is_bytes(field.type)):
            continue
        for row, cell in enumerate(media_values(rows.column(field.name))):
            for value in (cell if isinstance(cell, tuple) else (cell,))[:ITEMS]:
                data = _data(value)
                if data is not None:
                    places.append((row, field.name))
                    items.append((data,))
    found: list[dict[str, list[str]]] = [{} for _ in range(rows.num_rows)]
    with suppress(DataJobError, OSError):
        for (row, name), picture in zip(places, run_isolated(picture_of, items), strict=True):
            if isinstance(picture, str):
                found[row].setdefault(name, []).append(picture)
    return found


def _data(value: MediaValue) -> Any:
    """The encoded bytes, also of a local reference; None if they are not media, or too large."""
    if value.missing or is_url(value.path or ""):
        return value.data if value.data is not None and _drawable(value.data) else None
    with suppress(MediaError, DataJobError):
        data = fetch(value, limit=MAX_BYTES)
        return data if _drawable(data) else None
    return None


def _drawable(data: bytes | memoryview) -> bool:
    return len(data) <= MAX_BYTES and kind_of(data) is not None
