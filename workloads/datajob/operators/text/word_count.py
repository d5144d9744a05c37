"""wordCount: keep rows by the number of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.strings.words import Tokenizer, words_of
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class WordCount(TextMeasure):
    """Keep rows by their number of words.

    Example:

        - wordCount: {min: 50, output: words}
    """

    tokenizer: Tokenizer = "unicode"
    min: int = Field(default=1, ge=0, description="Minimum number of words.")
    max: int = Field(default=100_000, ge=0, description="Maximum number of words.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The number of words of each row."""
        import numpy as np

        return np.diff(words_of(batch, self.column, self.tokenizer).rows)
