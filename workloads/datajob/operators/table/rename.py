"""rename: rename columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from datajob.errors import InvalidJob
from datajob.operators import base
from datajob.operators.columns import require

if TYPE_CHECKING:
    import pyarrow as pa


class Rename(base.Map):
    """Rename columns; their positions and contents stay the same.

    Example:

        - rename: {columns: {content: text, uri: url}}
    """

    infallible: ClassVar[bool] = True

    columns: dict[str, str] = Field(min_length=1, description="New name of each column, by current name.")

    def inputs(self) -> base.Order:
        """The current names."""
        return tuple(self.columns)

    def compared(self) -> base.Order:
        """None: names change, values do not."""
        return ()

    def outputs(self, columns: base.Order) -> base.Order:
        """The columns under their new names. Raises InvalidJob if two would have the same name."""
        renamed = tuple(self.columns.get(c, c) for c in columns)
        for name in renamed:
            if renamed.count(name) > 1:
                raise InvalidJob(f"`rename` would create two columns named `{name}`; `drop` one of them first.")
        return renamed

    def renamed(self, column: str) -> str:
        """The new name."""
        return self.columns.get(column, column)

    def apply(self, batch: base.Batch) -> pa.Table:
        """The table under the new names."""
        require(self.columns, batch.table.column_names, "`rename`")
        return batch.table.rename_columns(list(self.outputs(tuple(batch.table.column_names))))
