"""whitespaceRatio: keep rows by the ratio of whitespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.measures import share
from datajob.operators.text._characters import characters_of
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class WhitespaceRatio(TextMeasure):
    """Keep rows by the ratio of whitespace to all characters.

    The default is that of NeMo Curator.

    Example:

        - whitespaceRatio: {max: 0.3}
    """

    max: float = Field(default=0.25, ge=0, description="Maximum ratio.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The ratio of each row."""
        counts = characters_of(batch, self.column)
        return share(counts.space, counts.points)
