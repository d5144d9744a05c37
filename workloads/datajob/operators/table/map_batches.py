"""mapBatches: a user's function on whole batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.formats._exact import exact_concat
from datajob.operators import base
from datajob.operators.table._functions import CallsFunction
from datajob.operators.table._rows import BatchFormat

if TYPE_CHECKING:
    import pyarrow as pa


class MapBatches(CallsFunction, base.FlatMap):
    """Call your own Python function on batches of rows; it returns, or yields, the new rows, as many as it likes.

    It may answer in any of the formats. A class is instantiated with `params`, once in each process, and the object is
    called. When the function raises, it is called again with fewer rows until those that make it raise are found.

    Example:

        - mapBatches: {function: "my_functions:score", batchFormat: polars, types: {score: float32}}
    """

    batch_format: BatchFormat = Field(
        default="pandas",
        description="What it takes: a `pandas` or `polars` data frame, a `pyarrow` table, or a dict of `numpy` arrays.",
    )
    batch_size: int | None = Field(default=None, ge=1, description="Most rows of a call; by default as many as come together.")

    def expand(self, batch: base.Batch) -> pa.Table:
        """The rows that the function gave, in the order of the batches."""
        from datajob.operators.table._rows import from_any, table_of, to_format

        call, table = self.call(), batch.table
        if not len(table):
            return table_of((), table.schema, self.types)
        size = self.batch_size or len(table)
        parts = [table.slice(start, size) for start in range(0, len(table), size)]
        results = [from_any(call(to_format(part, self.batch_format)), table.schema, self.types) for part in parts]
        return exact_concat(results)
