"""averageWordLength: keep rows by the mean length of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.measures import share
from datajob.operators.strings.words import Tokenizer, words_of
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class AverageWordLength(TextMeasure):
    """Keep rows by the mean length of their words in characters; symbols are not words.

    With `tokenizer: unicode`, each Chinese or Japanese character is a word of length 1: set `min` to 1 for these languages.

    Example:

        - averageWordLength: {min: 3, max: 10}
    """

    tokenizer: Tokenizer = "unicode"
    min: float = Field(default=3, ge=0, description="Minimum mean length in characters.")
    max: float = Field(default=10, ge=0, description="Maximum mean length in characters.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The mean length of each row's words."""
        import numpy as np

        from datajob.operators.kernels.measures import word_lengths

        found = np.zeros((len(batch), 2), dtype=np.int64)
        word_lengths(words_of(batch, self.column, self.tokenizer), found)
        return share(found[:, 1], found[:, 0])
