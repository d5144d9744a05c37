"""The mean length of words."""

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
    """Keeps texts by the mean length of their words, in characters; symbols are not words.

    With `unicode` words, Chinese and Japanese characters are words of length 1: set `min` to 1 for them.

    Example:

        - averageWordLength: {min: 3, max: 10}
    """

    tokenizer: Tokenizer = "unicode"
    min: float = Field(default=3, ge=0, description="Smallest mean length kept, characters.")
    max: float = Field(default=10, ge=0, description="Largest mean length kept, characters.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The mean length of each row's words."""
        import numpy as np

        from datajob.operators.kernels.measures import word_lengths

        found = np.zeros((len(batch), 2), dtype=np.int64)
        word_lengths(words_of(batch, self.column, self.tokenizer), found)
        return share(found[:, 1], found[:, 0])
