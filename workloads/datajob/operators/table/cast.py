"""cast: change the types of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.formats.types import TypeName, arrow_type
from datajob.operators import base
from datajob.operators.columns import require
from datajob.operators.table._lossless import lossless

if TYPE_CHECKING:
    import pyarrow as pa


class Cast(base.Map):
    """Change the types of columns without loss; a value that does not fit the new type fails its row.

    To get null instead, use `compute` with `try_cast(a AS BIGINT)`.

    Example:

        - cast: {columns: {id: int64, score: float32, day: date}}
    """

    columns: dict[str, TypeName] = Field(
        min_length=1,
        description="New type of each column, such as `int64`, `string` or `date`. Types: int8 to int64, uint8 to uint64, "
        "float32, float64, bool, string, binary, date, timestamp[us], timestamp[us, tz=UTC], duration[us], time[us], "
        "decimal(10, 2) and list<int64>.",
    )

    def inputs(self) -> base.Order:
        """The columns to cast."""
        return tuple(self.columns)

    def apply(self, batch: base.Batch) -> pa.Table:
        """The table with the new types. Raises ValueError naming the column whose value does not fit."""
        import pyarrow as pa

        table = batch.table
        require(self.columns, table.column_names, "`cast`")
        for name, type_name in self.columns.items():
            at = table.column_names.index(name)
            wanted = arrow_type(type_name)
            try:
                cast = lossless(table.column(at), wanted) if len(table) else pa.nulls(0, wanted)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise ValueError(f"column `{name}` cannot be cast to {type_name}: {error}") from error
            table = table.set_column(at, pa.field(name, wanted), cast)
        return table
