"""removeIps: remove public IP addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class RemoveIps(Map):
    """Remove or replace public IP addresses.

    Both IPv4 and IPv6 are supported. Private, local and documentation addresses are kept, as are version numbers that are
    not addresses.

    Example:

        - removeIps: {replacement: 192.0.2.1}
    """

    column: Column = Field(default="text", description="Text column; null stays null.")
    replacement: str = Field(default="", description="Replacement for each address.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the new column."""
        from datajob.operators.text._patterns import IP
        from datajob.operators.text._spans import replace_spans, spans_of

        spans = spans_of(batch, self.column, (IP,))
        return replace_spans(batch, self.column, spans, lambda _, __: self.replacement)
