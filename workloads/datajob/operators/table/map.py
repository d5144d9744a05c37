"""map: call a user's function on each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datajob.operators import base
from datajob.operators.table._functions import CallsFunction

if TYPE_CHECKING:
    import pyarrow as pa


class Map(CallsFunction, base.Map):
    """Call your own Python function on each row; it takes the row as a dict and returns the new row.

    A class is instantiated with `params` once in each process, and the object is called. If the function raises, only
    that row fails (see `errors`).

    Example:

        - map: {function: "my_functions:tidy", params: {longest: 800}}
    """

    def apply(self, batch: base.Batch) -> pa.Table:
        """The rows that the function returned."""
        import pyarrow as pa

        from datajob.operators.table._rows import call_on_rows, table_of

        call = self.call()
        found = call_on_rows(batch, lambda row: [call(row)])
        table = table_of([row for [row] in found.values()], batch.table.schema, self.types)
        if not batch.failures:
            return table
        places = {row: place for place, row in enumerate(found)}
        return table.take(pa.array([places.get(row) for row in range(len(batch))], pa.int64()))
