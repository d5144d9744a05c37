"""Writes changed images back to their column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datajob.formats.storage import join, scheme_of
from datajob.media.errors import MediaError
from datajob.media.names import new_name
from datajob.media.references import is_url, parse_reference
from datajob.media.values import has_null, is_bytes, is_list, is_media, media_type, media_values

if TYPE_CHECKING:
    import pyarrow as pa

Files = Mapping[int, Sequence[bytes | None]]
"""The new files of the images of a row, by the position of the row; None for an unchanged image."""


def with_files(column: pa.Array, files: Files, folder: str | None = None) -> pa.Array:
    """The column with new files. Bytes remain bytes; paths become structs of bytes and path.

    The path of a changed image is a name (`new_name`): the folder would refer to the file before the change. The path of an
    unchanged image includes `folder`, because later steps and the sink do not know it.
    """
    import pyarrow as pa

    values: list[Any] = column.to_pylist()
    item = _item_type(column.type)
    as_struct = not is_bytes(item)
    for row, value in enumerate(values):
        new = files.get(row)
        if not is_list(column.type):
            values[row] = _item(value, None if new is None else new[0], folder, as_struct=as_struct)
        elif value is not None:
            present = iter(new or [None] * len(value))
            missing = [one.missing for one in _members(column, row)]
            values[row] = [
                _item(one, None if gone else next(present), folder, as_struct=as_struct)
                for one, gone in zip(value, missing, strict=True)
            ]
    kind = item if is_bytes(item) or (is_media(item) and not has_null(item)) else media_type()
    if is_list(column.type):
        kind = pa.large_list(kind) if pa.types.is_large_list(column.type) else pa.list_(kind)
    return pa.array(values, kind)


def _item(value: Any, new: bytes | None, folder: str | None, *, as_struct: bool) -> Any:
    if not as_struct:
        return value if new is None else new
    old = {"bytes": None, "path": value} if isinstance(value, str) else value
    if new is None:
        return old if folder is None or not old or old["bytes"] is not None else {**old, "path": _below(folder, old["path"])}
    path = (old or {}).get("path")
    return {"bytes": new, "path": new_name(path, new) if path else None}


def _below(folder: str, text: str | None) -> str | None:
    """A reference with the folder in front of its path, if that is relative."""
    try:
        found = parse_reference(text or "")
    except MediaError:
        return text
    if not found.path or found.path.startswith("/") or is_url(found.path) or scheme_of(found.path):
        return text
    return str(found._replace(path=join(folder, found.path)))


def _item_type(kind: pa.DataType) -> Any:
    return kind.value_type if is_list(kind) else kind


def _members(column: pa.Array, row: int) -> Sequence[Any]:
    found: Any = media_values(column.slice(row, 1))[0]
    return list(found)
