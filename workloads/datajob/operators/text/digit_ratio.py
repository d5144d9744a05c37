"""digitRatio: keep rows by the ratio of digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.measures import share
from datajob.operators.text._characters import characters_of
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class DigitRatio(TextMeasure):
    """Keep rows by the ratio of decimal digits (of all scripts) to all characters.

    The default is that of NeMo Curator.

    Example:

        - digitRatio: {max: 0.1}
    """

    max: float = Field(default=0.15, ge=0, description="Maximum ratio.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The ratio of each row."""
        counts = characters_of(batch, self.column)
        return share(counts.digits, counts.points)
