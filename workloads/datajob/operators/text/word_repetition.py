"""Repetition of word sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.strings.words import Tokenizer, words_of
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class WordRepetition(TextMeasure):
    """Keeps texts by the share of word n-grams that occur more than once. The measure and defaults of Data-Juicer.

    Example:

        - wordRepetition: {size: 5, max: 0.3}
    """

    tokenizer: Tokenizer = "unicode"
    size: int = Field(default=10, ge=1, le=100, description="Length n of the n-grams, words.")
    max: float = Field(default=0.5, ge=0, description="Largest share kept.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The share of each row."""
        import numpy as np

        from datajob.operators.kernels.hashtable import capacity_for
        from datajob.operators.kernels.ngrams import word_repetition
        from datajob.operators.strings.column import longest

        words = words_of(batch, self.column, self.tokenizer)
        capacity = capacity_for(longest(words.rows))
        shares = np.zeros(len(batch))
        word_repetition(words, self.size, np.empty(capacity, np.uint64), np.empty(capacity, np.int32), shares)
        return shares
