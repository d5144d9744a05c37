"""alphanumericRatio: keep rows by the ratio of letters and digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.measures import share
from datajob.operators.text._characters import characters_of
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class AlphanumericRatio(TextMeasure):
    """Keep rows by the ratio of letters and digits to all characters that are not whitespace.

    Combining marks count as letters. The default is that of NeMo Curator, which allows 0.25 of other characters.

    Example:

        - alphanumericRatio: {min: 0.25}
    """

    min: float = Field(default=0.75, ge=0, description="Minimum ratio.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The ratio of each row."""
        counts = characters_of(batch, self.column)
        return share(counts.alphanumeric, counts.points - counts.space)
