"""The length of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class LineLength(TextMeasure):
    """Keeps texts by the length of their lines (as `str.splitlines`), in characters.

    Data-Juicer keeps an average and a maximum of at least 10 by default. A text without lines measures 0.

    Example:

        - lineLength: {statistic: longest, min: 0, max: 1000}
    """

    statistic: Literal["average", "longest", "shortest"] = Field(default="average", description="Which length is measured.")
    min: float = Field(default=10, ge=0, description="Smallest length kept, characters.")
    max: float = Field(default=1_000_000, ge=0, description="Largest length kept, characters.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The length of each row's lines."""
        import numpy as np

        from datajob.operators.kernels.lines import line_lengths
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import text_of

        def build() -> NDArray[Any]:
            lengths = np.zeros((len(batch), 4), dtype=np.int64)
            line_lengths(text_of(batch, self.column), classes(), lengths)
            return lengths

        lines, total, longest, shortest = batch.derive(("line lengths", self.column), build).T
        if self.statistic == "average":
            return np.asarray(total / np.maximum(lines, 1))
        return np.asarray(longest if self.statistic == "longest" else shortest)
