"""specialCharacters: keep rows by the ratio of symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.measures import share
from datajob.operators.text._characters import characters_of
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class SpecialCharacters(TextMeasure):
    """Keep rows by the ratio of characters that are not letters, digits, marks or whitespace.

    These are punctuation, symbols, emoji and control characters. The default is that of Data-Juicer.

    Example:

        - specialCharacters: {max: 0.2}
    """

    max: float = Field(default=0.25, ge=0, description="Maximum ratio.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The ratio of each row."""
        counts = characters_of(batch, self.column)
        return share(counts.special, counts.points)
