"""Pictures of the media of example rows, drawn in the process that decodes media."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from datajob.errors import DataJobError
from datajob.formats.media_files import open_file
from datajob.media.errors import MediaError
from datajob.media.isolation import run_isolated
from datajob.media.pictures import picture_of
from datajob.media.references import is_url
from datajob.media.signatures import kind_of
from datajob.media.values import MediaValue, accepts, is_bytes, is_media, media_values

if TYPE_CHECKING:
    import pyarrow as pa

ITEMS = 3
"""Items of a list that are drawn."""
MAX_BYTES = 16 << 20
"""Larger values are not drawn, but parts of larger files are read."""


def pictures(rows: pa.Table, folders: Mapping[str, str | None] | None = None) -> list[dict[str, list[str]]]:
    """The pictures of each of a few rows, by column. A value that cannot be drawn is left out; it is no reason to stop.

    `folders` contains the columns that steps read as media, of which texts are paths as well, with the folder of the paths.
    """
    folders = folders or {}
    places: list[tuple[int, str]] = []
    items: list[tuple[Any, ...]] = []
    for field in rows.schema:
        if not (is_media(field.type) or is_bytes(field.type) or (field.name in folders and accepts(field.type))):
            continue
        for row, value in _values(rows.column(field.name)):
            if _drawable(value):
                places.append((row, field.name))
                described = replace(value, data=None if value.data is None else b"")
                data = () if value.data is None else (value.data,)
                items.append((pickle.dumps((described, folders.get(field.name))), *data))
    found: list[dict[str, list[str]]] = [{} for _ in range(rows.num_rows)]
    with suppress(DataJobError, OSError):
        for (row, name), picture in zip(places, run_isolated(_picture, items), strict=True):
            if isinstance(picture, str):
                found[row].setdefault(name, []).append(picture)
    return found


def _picture(item: tuple[memoryview, ...]) -> str | None:
    """The picture of a value, in the child process."""
    value, folder = pickle.loads(item[0])  # noqa: S301 - written by `pictures`
    with suppress(MediaError, DataJobError), open_file(replace(value, data=item[1]) if item[1:] else value, folder) as file:
        return picture_of(file, value.time_span)
    return None


def _values(column: Any) -> Iterator[tuple[int, MediaValue]]:
    """The first items of each row."""
    for row, cell in enumerate(media_values(column)):
        items: Any = cell[:ITEMS] if isinstance(cell, tuple) else (cell,)
        yield from ((row, value) for value in items)


def _drawable(value: MediaValue) -> bool:
    """Whether it is a reference, except to the web, or bytes of media."""
    if value.data is not None:
        return len(value.data) <= MAX_BYTES and kind_of(value.data) is not None
    return not value.missing and not is_url(value.path or "")
