"""characterRepetition: keep rows by the ratio of repeated character n-grams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class CharacterRepetition(TextMeasure):
    """Keep rows by the ratio of their most frequent character n-grams to all n-grams.

    The measure is that of Data-Juicer: with d distinct n-grams, the sqrt(d) most frequent ones count, except those that
    occur only once.

    Example:

        - characterRepetition: {size: 10, max: 0.3}
    """

    size: int = Field(default=10, ge=1, le=100, description="Length of the n-grams in characters.")
    max: float = Field(default=0.5, ge=0, description="Maximum ratio.")
    characters: int = Field(
        default=1_000_000,
        ge=100,
        le=100_000_000,
        description="Number of characters to read from the start of the text. Each needs 28 bytes of memory.",
    )

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The ratio of each row."""
        import numpy as np

        from datajob.operators.kernels.hashtable import capacity_for
        from datajob.operators.kernels.ngrams import character_repetition
        from datajob.operators.strings.column import longest, text_of

        text = text_of(batch, self.column)
        most = min(longest(text.offsets), self.characters)
        capacity = capacity_for(most)
        shares = np.zeros(len(batch))
        character_repetition(
            text,
            self.size,
            self.characters,
            np.empty(capacity, np.uint64),
            np.empty(capacity, np.int32),
            np.zeros(most + 2, np.int32),
            shares,
        )
        return shares
