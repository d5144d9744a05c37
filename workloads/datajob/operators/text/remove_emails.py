"""removeEmails: remove email addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class RemoveEmails(Map):
    """Remove or replace email addresses.

    Example:

        - removeEmails: {replacement: someone@example.org}
    """

    column: Column = Field(default="text", description="Text column; null stays null.")
    replacement: str = Field(default="", description="Replacement for each address.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the new column."""
        from datajob.operators.text._patterns import EMAIL
        from datajob.operators.text._spans import replace_spans, spans_of

        spans = spans_of(batch, self.column, (EMAIL,))
        return replace_spans(batch, self.column, spans, lambda _, __: self.replacement)
