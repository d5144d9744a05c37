"""One row for each part of a recording or a video: a reference to times of the same file (`#t=12.5,20`), or a new file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from datajob.formats._tar import KEY
from datajob.media.errors import MediaError
from datajob.media.names import milliseconds, part_name
from datajob.media.references import Reference

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.media.values import MediaValue
    from datajob.operators.batch import Batch
    from datajob.operators.media.bases import MediaSplit

    Times = tuple[float, float]


class PartFiles(NamedTuple):
    """The parts of each row as files."""

    files: Sequence[Sequence[bytes] | None]
    ending: str
    """The extension of their names."""


def part_rows(
    step: MediaSplit,
    batch: Batch,
    table: pa.Table,
    parts: Sequence[Sequence[Times] | None],
    names: Sequence[str | None],
    written: PartFiles | None = None,
) -> pa.Table:
    """The rows of `table` once for each part, which is counted from the start of the value.

    `names` are columns for the start and the end in the file. The keys of samples (`__key__`) receive the times of the part.
    Rows to whose media nothing can refer fail in `batch`, unless their parts are files.
    """
    import pyarrow as pa

    from datajob.media.values import media_type, media_values

    values: Any = table.column(step.column).combine_chunks()
    rows: list[int] = []
    spans: list[Times] = []
    new: list[dict[str, Any]] = []
    media: list[Any] = list(media_values(values))
    for row, (value, found) in enumerate(zip(media, parts, strict=True)):
        if not found or row in batch.failures:
            continue
        offset = value.time_span[0] if value.time_span else 0.0
        times = [(round(offset + start, 6), round(offset + end, 6)) for start, end in found]
        try:
            new += _references(value, times, step.folder) if written is None else _files(value, times, written, row)
        except MediaError as error:
            batch.fail(row, error.marked)
            continue
        rows += [row] * len(times)
        spans += times
    table = table.take(pa.array(rows, pa.int64()))
    table = _with_column(table, step.column, pa.array(new, media_type()))
    if KEY in table.column_names and step.column != KEY:
        table = _with_column(table, KEY, _keys(table.column(KEY), spans))
    for at, name in enumerate(names):
        if name is not None:
            table = _with_column(table, name, pa.array([span[at] for span in spans], pa.float64()))
    return table


def _references(value: MediaValue, times: Sequence[Times], folder: str | None) -> list[dict[str, Any]]:
    _check_path(value, folder)
    parts = (Reference(str(value.path), value.byte_range, span) for span in times)
    return [{"bytes": None, "path": str(part)} for part in parts]


def _check_path(value: MediaValue, folder: str | None) -> None:
    """Raise MediaError unless the path of a value with bytes refers to a file with as many bytes."""
    from datajob.formats.media_files import open_file

    if value.data is None:
        return
    advice = "read the file with `load: reference`, or write it first"
    if value.path is None:
        raise MediaError("noPath", f"the value has no path, so parts cannot refer to it; {advice}")
    try:
        with open_file(replace(value, data=None), folder, header=True) as file:
            size = file.size
    except MediaError as error:
        raise MediaError("noPath", f"parts cannot refer to the path of the value: {error}; {advice}") from error
    if size != len(value.data):
        raise MediaError("noPath", f"the value differs from the file at its path, so parts cannot refer to it; {advice}")


def _files(value: MediaValue, times: Sequence[Times], written: PartFiles, row: int) -> list[dict[str, Any]]:
    """The files, with the name of the whole file and the times in milliseconds as names."""
    ending = f".{written.ending}"
    whole = None if value.path is None else Reference(value.path, value.byte_range)
    names = (None if whole is None else part_name(whole._replace(time_span=span), ending) for span in times)
    return [{"bytes": data, "path": name} for data, name in zip(written.files[row] or (), names, strict=True)]


def _keys(column: pa.ChunkedArray, spans: Sequence[Times]) -> pa.Array:
    """The keys of samples with the times in milliseconds, because keys are unique."""
    import pyarrow as pa

    keys = zip(column.to_pylist(), spans, strict=True)
    return pa.array([None if key is None else "-".join([str(key), *milliseconds(span)]) for key, span in keys], pa.string())


def _with_column(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.append_column(name, column) if at < 0 else table.set_column(at, name, column)
