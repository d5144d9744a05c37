"""lineLength: keep rows by the length of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class LineLength(TextMeasure):
    """Keep rows by the length of their lines in characters.

    Lines are those of `str.splitlines`. By default, Data-Juicer requires an average and a maximum length of at least 10. A
    text without lines measures 0.

    Example:

        - lineLength: {statistic: longest, min: 0, max: 1000}
    """

    statistic: Literal["average", "longest", "shortest"] = Field(
        default="average", description="Statistic of the line lengths."
    )
    min: float = Field(default=10, ge=0, description="Minimum length in characters.")
    max: float = Field(default=1_000_000, ge=0, description="Maximum length in characters.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The statistic of each row's line lengths."""
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
