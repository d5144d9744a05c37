"""Normal white space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class WhitespaceNormalize(Map):
    """Makes white space plain: spaces of all kinds become one space, line breaks of all kinds newlines; ends are cut.

    Runs of white space that hold line breaks become as many newlines, at most `maxNewlines`.

    Example:

        - whitespaceNormalize: {maxNewlines: 1}
    """

    column: Column = Field(default="text", description="The text; null stays null.")
    max_newlines: int = Field(default=2, ge=0, le=1000, description="Most newlines in a row; 0 makes one line of the text.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the column normalised."""
        import numpy as np

        from datajob.operators.kernels.rewrite import normalize_whitespace
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import replaced, text_from, text_of

        text = text_of(batch, self.column)
        out = np.empty(int(text.offsets[-1] - text.offsets[0]) + 1, np.uint8)
        ends = np.empty(len(batch) + 1, np.int64)
        normalize_whitespace(text, classes(), self.max_newlines, out, ends)
        return replaced(batch, self.column, text_from(out, ends, batch.array(self.column)))
