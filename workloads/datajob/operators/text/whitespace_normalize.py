"""whitespaceNormalize: collapse whitespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class WhitespaceNormalize(Map):
    """Collapse whitespace into single spaces and newlines, and strip it from both ends.

    A run of whitespace that contains line breaks becomes the same number of newlines, but at most `maxNewlines`.

    Example:

        - whitespaceNormalize: {maxNewlines: 1}
    """

    column: Column = Field(default="text", description="Text column; null stays null.")
    max_newlines: int = Field(
        default=2, ge=0, le=1000, description="Maximum number of consecutive newlines; 0 puts the text on one line."
    )

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the normalized column."""
        import numpy as np

        from datajob.operators.kernels.rewrite import normalize_whitespace
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import replaced, text_from, text_of

        text = text_of(batch, self.column)
        out = np.empty(int(text.offsets[-1] - text.offsets[0]) + 1, np.uint8)
        ends = np.empty(len(batch) + 1, np.int64)
        normalize_whitespace(text, classes(), self.max_newlines, out, ends)
        return replaced(batch, self.column, text_from(out, ends, batch.array(self.column)))
