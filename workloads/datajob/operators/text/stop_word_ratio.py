"""stopWordRatio: keep rows by the ratio of stop words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.measures import share
from datajob.operators.strings.words import Tokenizer
from datajob.operators.text._measure import TextMeasure
from datajob.operators.text._word_lists import Language, chosen_words, listed_words
from datajob.parameters import FilePath

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class StopWordRatio(TextMeasure):
    """Keep rows by the ratio of stop words, which is high in prose and low in lists and keyword spam.

    The default minimum is that of Data-Juicer; inflected languages need a lower one.

    Example:

        - stopWordRatio: {languages: [de], min: 0.2}
    """

    tokenizer: Tokenizer = "unicode"
    min: float = Field(default=0.3, ge=0, description="Minimum ratio.")
    languages: tuple[Language, ...] = Field(
        default=("en",), max_length=15, description="Built-in lists to use, by ISO 639-1 code."
    )
    words: tuple[str, ...] = Field(default=(), max_length=10_000, description="Additional words; case is ignored.")
    file: FilePath | None = Field(default=None, description="Path or URL of a file with additional words, one per line.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The ratio of each row."""
        words = chosen_words("stop_words", self.languages, self.words, self.file)
        return share(*listed_words(batch, self.column, self.tokenizer, words))
