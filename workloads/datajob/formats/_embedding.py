"""Replaces references in media columns with the bytes that they refer to, in pieces of bounded size."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from datajob.formats.media_files import fetch_all
from datajob.media.errors import MediaError
from datajob.media.references import Reference, is_url, literal
from datajob.media.signatures import ending_of
from datajob.media.values import MediaValue, is_list, media_type, media_values

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_BYTES = 64 << 20
"""Bytes of media after which a piece ends."""


class Piece(NamedTuple):
    """Consecutive rows of a table."""

    before: pa.Table
    rows: pa.Table
    """With the bytes of the media."""
    failed: Mapping[int, str]
    """Rows whose media cannot be read, with the reason."""


def embedded(table: pa.Table, columns: Sequence[str], stores_paths: bool = True) -> Iterator[Piece]:
    """The rows of a table in pieces, with the bytes of the media in `columns`.

    Paths become names of files: where the bytes were before does not matter any more. If they are not stored, rows with parts
    of files (`#t=`) fail, because nothing would state the part.
    """
    if not columns:
        yield Piece(table, table, {})
        return
    rows = [media_values(table.column(name)) for name in columns]
    waiting = fetch_all(value for row in zip(*rows, strict=True) for cell in row for value in _values(cell) if _refers(value))
    start = held = 0
    cells: list[list[Any]] = [[] for _ in columns]
    failed: dict[int, str] = {}
    for number, row in enumerate(zip(*rows, strict=True)):
        for made, cell in zip(cells, row, strict=True):
            items = [_with_bytes(value, waiting, stores_paths) for value in _values(cell)]
            for item in items:
                if isinstance(item, MediaError):
                    failed.setdefault(number - start, item.marked)
                elif item is not None:
                    held += len(item["bytes"] or b"")
            sound = [None if isinstance(item, MediaError) else item for item in items]
            made.append(sound if isinstance(cell, tuple) else sound[0])
        if held >= PIECE_BYTES:
            yield _piece(table, start, columns, cells, failed)
            start, held, failed, cells = number + 1, 0, {}, [[] for _ in columns]
    if start < table.num_rows:
        yield _piece(table, start, columns, cells, failed)


def embedded_schema(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    """The columns of the rows that `embedded` gives."""
    for name in columns:
        index = schema.get_field_index(name)
        schema = schema.set(index, schema.field(index).with_type(_embedded_type(schema.field(index).type)))
    return schema


def _embedded_type(kind: Any) -> Any:
    import pyarrow as pa

    return pa.list_(media_type()) if is_list(kind) else media_type()


def _values(cell: MediaValue | tuple[MediaValue, ...]) -> tuple[MediaValue, ...]:
    return cell if isinstance(cell, tuple) else (cell,)


def _refers(value: MediaValue) -> bool:
    return value.data is None and not value.missing


def _with_bytes(
    value: MediaValue, waiting: Iterator[bytes | memoryview | MediaError], stores_paths: bool
) -> dict[str, Any] | MediaError | None:
    if value.missing:
        return None
    data = next(waiting) if _refers(value) else value.data
    if isinstance(data, MediaError):
        return data
    if value.time_span is not None and not stores_paths:
        advice = "use `cutMedia` for video or `resampleAudio` for audio to write the part as a file"
        return MediaError("isPart", f"{value.path}: the sink stores whole files, not parts of files (`#t=`); {advice}")
    # pyarrow 26 never releases a memoryview that it converts, and so all bytes of its table
    return {"bytes": None if data is None else bytes(data), "path": name_of(value, data or b"")}


def name_of(value: MediaValue, data: bytes | memoryview) -> str | None:
    """The name of the file of a value without its folder; the time of a clip remains."""
    if not value.path or value.problem is not None:
        return None
    path = value.path.partition("?")[0] if is_url(value.path) else value.path
    name = posixpath.basename(path)
    if value.byte_range is not None:  # a member of an archive
        name = f"{name.partition('.')[0]}-{value.byte_range[0]}{ending_of(data)}"
    return literal(name, len(data)) if value.time_span is None else str(Reference(name, None, value.time_span))


def _piece(table: pa.Table, start: int, columns: Sequence[str], cells: list[list[Any]], failed: Mapping[int, str]) -> Piece:
    """Consecutive rows of a table, with other values in some columns."""
    import pyarrow as pa

    before = piece = table.slice(start, len(cells[0]))
    for name, made in zip(columns, cells, strict=True):
        index = piece.schema.get_field_index(name)
        old = piece.column(name)
        if is_list(old.type) and old.null_count:
            made = [None if null else some for some, null in zip(made, old.is_null().to_pylist(), strict=True)]
        piece = piece.set_column(index, name, pa.array(made, _embedded_type(old.type)))
    return Piece(before, piece, failed)
