"""removePhones: remove phone numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class RemovePhones(Map):
    """Remove or replace phone numbers.

    International numbers with `+`, Chinese mobile numbers, North American numbers, and numbers with the trunk prefix 0 are
    supported.

    Example:

        - removePhones: {replacement: "<PHONE>"}
    """

    column: Column = Field(default="text", description="Text column; null stays null.")
    replacement: str = Field(default="", description="Replacement for each number.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the new column."""
        from datajob.operators.text._patterns import PHONE
        from datajob.operators.text._spans import replace_spans, spans_of

        spans = spans_of(batch, self.column, (PHONE,))
        return replace_spans(batch, self.column, spans, lambda _, __: self.replacement)
