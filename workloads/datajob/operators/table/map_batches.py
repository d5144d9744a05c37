"""mapBatches: call a user's function on batches of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.formats._exact import exact_concat
from datajob.operators import base
from datajob.operators.table._frames import BatchFormat
from datajob.operators.table._functions import CallsFunction

if TYPE_CHECKING:
    import pyarrow as pa


class MapBatches(CallsFunction, base.FlatMap):
    """Call your own Python function on batches of rows; it returns or yields batches of any number of new rows.

    It may return any of the supported formats. A class is instantiated with `params` once in each process, and the object
    is called. If the function raises, it is called again with smaller batches until the failing rows are found.

    A column of numbers with nulls has a nullable type in pandas, such as `Int64`, and is a masked array in numpy. There, NaN
    is a number; in a new column of a pandas data frame, NaN means null.

    Example:

        - mapBatches: {function: "my_functions:score", batchFormat: polars, types: {score: float32}}
    """

    batch_format: BatchFormat = Field(
        default="pandas",
        description="Type of a batch: a `pandas` or `polars` data frame, a `pyarrow` table, or a dict of `numpy` arrays.",
    )
    batch_size: int | None = Field(
        default=None, ge=1, description="Maximum number of rows per call; by default the engine decides."
    )

    def expand(self, batch: base.Batch) -> pa.Table:
        """The rows that the function returned, in the order of the batches."""
        from datajob.operators.table._frames import from_any, to_format
        from datajob.operators.table._rows import table_of

        call, table = self.call(), batch.table
        if not len(table):
            return table_of((), table.schema, self.types)
        size = self.batch_size or len(table)
        parts = [table.slice(start, size) for start in range(0, len(table), size)]
        results = [from_any(call(to_format(part, self.batch_format)), table.schema, self.types) for part in parts]
        return exact_concat(results)
