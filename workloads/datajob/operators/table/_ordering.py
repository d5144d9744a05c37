"""Sorting by columns of any type that has an order: nulls last, NaN before them, rows that are equal stay as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

ROWS_PER_TABLE = 65_536
"""Number of rows per result table, so that 32-bit string offsets suffice."""


def sort_keys(table: pa.Table, by: Sequence[str]) -> pa.Table:
    """The columns `by`, as types that Arrow can sort. Raises InvalidJob for a type without order."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name in by:
        column = table.column(name)
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        elif pa.types.is_float16(kind):
            column = column.cast(pa.float32())
        elif pa.types.is_nested(kind) or pa.types.is_interval(kind) or isinstance(kind, pa.BaseExtensionType):
            raise InvalidJob(f"`sort` cannot order column `{name}` of type {kind}; sort by a part of it from a `compute` step.")
        columns[name] = column
    return pa.table(columns)


def sorted_rows(keys: pa.Table, descending: Sequence[str]) -> NDArray[np.int64]:
    """The positions of the rows of `keys` in sorted order, by its columns from the first on."""
    import numpy as np
    import pyarrow.compute as pc

    order: Any = [(name, "descending" if name in descending else "ascending", "at_end") for name in keys.column_names]
    return np.asarray(pc.sort_indices(keys, sort_keys=order)).astype(np.int64)


def range_of(keys: pa.Table, samples: pa.Table, partitions: int, descending: Sequence[str]) -> NDArray[np.int64]:
    """The range of each row of `keys` when `samples`, sorted, is cut in `partitions` even ranges; equal rows share one."""
    import numpy as np
    import pyarrow as pa

    cuts = np.arange(1, partitions) * len(samples) // partitions
    bounds = samples.take(sorted_rows(samples, descending)[cuts])
    both = pa.concat_tables([bounds, keys.cast(bounds.schema)])
    order = sorted_rows(both, descending)
    is_bound = order < len(bounds)  # the sort is stable: a bound comes before the rows that equal it
    found = np.empty(len(keys), np.int64)
    found[order[~is_bound] - len(bounds)] = np.cumsum(is_bound)[~is_bound]
    return found


def in_order(table: pa.Table, order: NDArray[np.int64]) -> Iterator[pa.Table]:
    """The rows of `table` at the positions `order`, a piece at a time."""
    for start in range(0, len(order), ROWS_PER_TABLE):
        yield table.take(order[start : start + ROWS_PER_TABLE])
