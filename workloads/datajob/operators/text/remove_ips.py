"""Removal of public IP addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class RemoveIps(Map):
    """Removes public IP addresses from a text, or puts something in their place.

    Versions 4 and 6. Private, local and documentation addresses stay, as do version numbers that are no address.

    Example:

        - removeIps: {replacement: 192.0.2.1}
    """

    column: Column = Field(default="text", description="The text; null stays null.")
    replacement: str = Field(default="", description="What takes the place of each.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the column cleaned."""
        from datajob.operators.text._patterns import IP
        from datajob.operators.text._spans import replace_spans, spans_of

        spans = spans_of(batch, self.column, (IP,))
        return replace_spans(batch, self.column, spans, lambda _, __: self.replacement)
