"""Removal of phone numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class RemovePhones(Map):
    """Removes phone numbers from a text, or puts something in their place.

    International numbers with `+`, Chinese mobile and North American numbers, and numbers with a trunk prefix 0.

    Example:

        - removePhones: {replacement: "<PHONE>"}
    """

    column: Column = Field(default="text", description="The text; null stays null.")
    replacement: str = Field(default="", description="What takes the place of each.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the column cleaned."""
        from datajob.operators.text._patterns import PHONE
        from datajob.operators.text._spans import replace_spans, spans_of

        spans = spans_of(batch, self.column, (PHONE,))
        return replace_spans(batch, self.column, spans, lambda _, __: self.replacement)
