"""longestWord: keep rows by the length of the longest word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.kernels.arrays import UNIT
from datajob.operators.strings.words import Tokenizer, words_of
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class LongestWord(TextMeasure):
    """Keep rows by the length of their longest word in characters; encoded data and code contain very long words.

    Words are separated by whitespace, as in the line rules of C4; with `tokenizer: unicode`, each Chinese character and
    the like is also a word. The default is that of NeMo Curator.

    Example:

        - longestWord: {max: 200}
    """

    tokenizer: Tokenizer = "unicode"
    max: float = Field(default=1000, ge=0, description="Maximum length in characters.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The length of each row's longest word."""
        import numpy as np

        words = words_of(batch, self.column, self.tokenizer)
        starts = np.flatnonzero(words.flags & UNIT)
        longest = np.zeros(len(batch), dtype=np.int64)
        rows = np.searchsorted(starts, words.rows)
        some = rows[1:] > rows[:-1]
        if some.any():
            lengths = np.add.reduceat(words.points, starts, dtype=np.int64)
            longest[some] = np.maximum.reduceat(lengths, rows[:-1][some])
        return longest
