"""flatMap: call a user's function that returns any number of rows for each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datajob.operators import base
from datajob.operators.table._functions import CallsFunction

if TYPE_CHECKING:
    import pyarrow as pa


class FlatMap(CallsFunction, base.FlatMap):
    """Call your own Python function on each row; it returns or yields any number of rows as dicts.

    A class is instantiated with `params` once in each process, and the object is called. If the function raises, only
    that row fails (see `errors`).

    Example:

        - flatMap: {function: "my_functions:paragraphs"}
    """

    def expand(self, batch: base.Batch) -> pa.Table:
        """The rows that the function returned, in the order of the input rows."""
        from datajob.operators.table._rows import call_on_rows, table_of

        rows = [new for found in call_on_rows(batch, self.call()).values() for new in found]
        return table_of(rows, batch.table.schema, self.types)
