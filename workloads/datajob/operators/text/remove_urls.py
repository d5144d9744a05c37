"""removeUrls: remove URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class RemoveUrls(Map):
    """Remove or replace URLs.

    A URL starts with `http://`, `https://`, `ftp://`, `ftps://` or `www.` and ends at whitespace. Punctuation at its end
    is kept.

    Example:

        - removeUrls: {replacement: "<URL>"}
    """

    column: Column = Field(default="text", description="Text column; null stays null.")
    replacement: str = Field(default="", description="Replacement for each URL.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the new column."""
        from datajob.operators.text._patterns import URL
        from datajob.operators.text._spans import replace_spans, spans_of

        spans = spans_of(batch, self.column, (URL,))
        return replace_spans(batch, self.column, spans, lambda _, __: self.replacement)
