"""textLength: keep rows by the length of their text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class TextLength(TextMeasure):
    """Keep rows by the length of their text in characters or bytes. Null is an empty text.

    Example:

        - textLength: {min: 200, max: 100000, output: characters}
    """

    min: int = Field(default=1, ge=0, description="Minimum length in `unit`.")
    max: int = Field(default=1_000_000, ge=0, description="Maximum length in `unit`.")
    unit: Literal["characters", "bytes"] = Field(default="characters", description="Unicode code points or UTF-8 bytes.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The length of each row."""
        import numpy as np
        import pyarrow.compute as pc

        from datajob.operators.strings.column import text_array

        length: Any = pc.utf8_length if self.unit == "characters" else pc.binary_length
        return np.asarray(length(text_array(batch, self.column).fill_null("")), dtype=np.int64)
