"""drop: remove columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Columns

if TYPE_CHECKING:
    import pyarrow as pa


class Drop(base.Map):
    """Remove the named columns.

    Example:

        - drop: {columns: [html, headers]}
    """

    infallible: ClassVar[bool] = True

    columns: Columns = Field(description="Columns to remove.")

    def compared(self) -> base.Order:
        """None: values are removed unread."""
        return ()

    def outputs(self, columns: base.Order) -> base.Order:
        """The other columns."""
        return tuple(c for c in columns if c not in self.columns)

    def apply(self, batch: base.Batch) -> pa.Table:
        """The table without the columns."""
        require(self.columns, batch.table.column_names, "`drop`")
        return batch.table.select([c for c in batch.table.column_names if c not in self.columns])
