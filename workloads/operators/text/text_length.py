"""The length of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from workloads.operators.base import Filter, Verdict
from workloads.operators.text._measure import measured
from workloads.parameters import Column, NewColumn

if TYPE_CHECKING:
    from workloads.operators.base import Batch


class TextLength(Filter):
    """Keeps texts whose length lies between two bounds; writes the length when `output` names a column.

    Null is treated as an empty text.
    """

    infallible: ClassVar[bool] = True

    column: Column = Field(default="text", description="The text.")
    min: int = Field(default=1, ge=0, description="Shortest text kept, in `unit`.")
    max: int = Field(default=1_000_000, ge=0, description="Longest text kept, in `unit`.")
    unit: Literal["characters", "bytes"] = Field(default="characters", description="Unicode code points, or bytes of UTF-8.")
    output: NewColumn | None = Field(default=None, description="Column (int64) that gets the length.")

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`."""
        import numpy as np
        import pyarrow.compute as pc

        from workloads.operators.text._text import text_array

        length: Any = pc.utf8_length if self.unit == "characters" else pc.binary_length
        lengths = length(text_array(batch, self.column).fill_null("")).to_numpy(zero_copy_only=False).astype(np.int64)
        return measured(lengths, self.min, self.max, ("text_too_short", "text_too_long"), self.output)
