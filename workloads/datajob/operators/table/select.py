"""select: keep the named columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Columns

if TYPE_CHECKING:
    import pyarrow as pa


class Select(base.Map):
    """Keep only the named columns, in the given order.

    Example:

        - select: {columns: [id, text]}
    """

    infallible: ClassVar[bool] = True

    columns: Columns = Field(description="Columns to keep, in order.")

    def compared(self) -> base.Order:
        """None: values are kept or removed unread."""
        return ()

    def outputs(self, columns: base.Order) -> base.Order:
        """The named columns."""
        return tuple(dict.fromkeys(self.columns))

    def apply(self, batch: base.Batch) -> pa.Table:
        """The table with only these columns."""
        require(self.columns, batch.table.column_names, "`select`")
        return batch.table.select(list(dict.fromkeys(self.columns)))
