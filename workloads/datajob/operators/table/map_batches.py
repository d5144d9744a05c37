"""mapBatches: call a user's function on batches of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any

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
    is called. If the function raises, it is called again with smaller batches until the failing rows are found. To fail
    rows without further calls, give the function a parameter `fail`: call `fail(position, reason)`, and leave the row out.

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

    def rows_per_call(self) -> int:
        """The size of the batches, if it is set."""
        return self.batch_size or 1

    def expand(self, batch: base.Batch) -> pa.Table:
        """The rows that the function returned, in the order of the batches."""
        from datajob.operators.table._frames import from_any, to_format
        from datajob.operators.table._rows import table_of

        call, table = self.call(), batch.table
        if not len(table):
            return table_of((), table.schema, self.types)
        size = self.batch_size or len(table)
        results = []
        for start in range(0, len(table), size):
            part = base.Batch(table.slice(start, size))
            arguments = {"fail": part.fail} if _takes_fail(call, self.params) else {}
            found = call(to_format(part.table, self.batch_format), **arguments)
            results.append(from_any(found, table.schema, self.types))
            for row, reason in part.failures.items():
                batch.fail(start + row, reason)
        return exact_concat(results)


def _takes_fail(call: Callable[..., Any], arguments: Mapping[str, Any]) -> bool:
    """Whether the function has a parameter `fail` that the step does not set."""
    try:
        return "fail" in signature(call).parameters and "fail" not in arguments
    except (TypeError, ValueError):  # a builtin without a signature
        return False
