"""wordRepetition: keep rows by the ratio of repeated word n-grams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.strings.words import Tokenizer, words_of
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class WordRepetition(TextMeasure):
    """Keep rows by the ratio of word n-grams that occur more than once.

    The measure and its defaults are those of Data-Juicer.

    Example:

        - wordRepetition: {size: 5, max: 0.3}
    """

    tokenizer: Tokenizer = "unicode"
    size: int = Field(default=10, ge=1, le=100, description="Length of the n-grams in words.")
    max: float = Field(default=0.5, ge=0, description="Maximum ratio.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The ratio of each row."""
        import numpy as np

        from datajob.operators.kernels.hashtable import capacity_for
        from datajob.operators.kernels.ngrams import word_repetition
        from datajob.operators.strings.column import longest

        words = words_of(batch, self.column, self.tokenizer)
        capacity = capacity_for(longest(words.rows))
        shares = np.zeros(len(batch))
        word_repetition(words, self.size, np.empty(capacity, np.uint64), np.empty(capacity, np.int32), shares)
        return shares
