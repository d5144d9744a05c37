"""One row for each part of a recording or a video, as references to times of the same file (`#t=12.5,20`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.batch import Batch

    Times = tuple[float, float]


def part_rows(
    step: str, batch: Batch, table: pa.Table, column: str, parts: Sequence[Sequence[Times] | None], names: Sequence[str | None]
) -> pa.Table:
    """The rows of `table` once for each part, which is counted from the start of the value.

    `names` are columns for the start and the end in the file. Rows without a path, to which nothing can refer, fail in `batch`.
    """
    import pyarrow as pa

    from datajob.media.references import Reference
    from datajob.media.values import is_list, media_type, media_values

    values: Any = table.column(column).combine_chunks()
    if is_list(values.type):
        raise InputError(
            f"column `{column}` contains {values.type}, but `{step}` splits one value per row. Use `explode` before."
        )
    rows: list[int] = []
    spans: list[Times] = []
    references: list[dict[str, Any]] = []
    media: list[Any] = list(media_values(values))
    for row, (value, found) in enumerate(zip(media, parts, strict=True)):
        if found is None or row in batch.failures:
            continue
        if value.path is None:
            batch.fail(row, "noPath: the value has no path, so parts cannot refer to it; read it with `load: reference`")
            continue
        offset = value.time_span[0] if value.time_span else 0.0
        for start, end in found:
            span = (round(offset + start, 6), round(offset + end, 6))
            rows.append(row)
            spans.append(span)
            references.append({"bytes": None, "path": str(Reference(value.path, value.byte_range, span))})
    table = table.take(pa.array(rows, pa.int64()))
    table = _with_column(table, column, pa.array(references, media_type()))
    for at, name in enumerate(names):
        if name is not None:
            table = _with_column(table, name, pa.array([span[at] for span in spans], pa.float64()))
    return table


def _with_column(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.append_column(name, column) if at < 0 else table.set_column(at, name, column)
