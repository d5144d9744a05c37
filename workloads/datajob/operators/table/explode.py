"""explode: create one row for each value of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.errors import InvalidJob
from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa


class Explode(base.FlatMap):
    """Create one row for each value of a list column, and repeat the other columns.

    Example:

        - explode: {column: sentences}
    """

    column: Column = Field(description="List column; afterwards it holds a single value of the list.")
    keep_empty: bool = Field(default=False, description="Keep rows whose list is empty or null, with null as the value.")

    def expand(self, batch: base.Batch) -> pa.Table:
        """The rows, in the order of the lists and of the values in them."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        table = batch.table
        require([self.column], table.column_names, "`explode`")
        at = table.column_names.index(self.column)
        lists = table.column(at)
        if lists.null_count == len(lists) and _holds_nulls(lists.type):
            lists = pa.chunked_array([pa.nulls(len(lists), pa.list_(lists.type))])
        if not _is_list(lists.type):
            raise InvalidJob(f"`explode` needs a list column, but column `{self.column}` has type {lists.type}.")
        lengths = np.asarray(pc.list_value_length(lists).fill_null(0)).astype(np.int64)
        values = pc.list_flatten(lists)
        repeats = np.maximum(lengths, 1) if self.keep_empty else lengths
        if self.keep_empty:
            filled = np.repeat(lengths > 0, repeats)
            values = values.take(pa.array(np.cumsum(filled) - 1, mask=~filled))
        rows = table.take(np.repeat(np.arange(len(table)), repeats))
        return rows.set_column(at, self.column, values)


def _holds_nulls(kind: pa.DataType) -> bool:
    """Whether readers give this type to a column that is null everywhere in the input."""
    import pyarrow as pa

    return bool(pa.types.is_null(kind) or pa.types.is_string(kind))


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    t = pa.types
    kinds = (t.is_list, t.is_large_list, t.is_fixed_size_list, t.is_list_view, t.is_large_list_view)
    return any(is_kind(kind) for is_kind in kinds)
