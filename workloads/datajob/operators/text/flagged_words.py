"""flaggedWords: keep rows by the ratio of flagged words."""

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


class FlaggedWords(TextMeasure):
    """Keep rows by the ratio of words that belong to flagged words or phrases.

    The built-in lists (de, en, es, fr, ru, zh) are short and cover adult and gambling spam; add your own for more. Every
    word of a flagged phrase counts, as does every character of a flagged Chinese word. The default maximum is that of
    Data-Juicer.

    Example:

        - flaggedWords: {languages: [en, zh], max: 0}
    """

    tokenizer: Tokenizer = "unicode"
    max: float = Field(default=0.045, ge=0, description="Maximum ratio; 0 rejects every text with a flagged word.")
    languages: tuple[Language, ...] = Field(
        default=("en",), max_length=15, description="Built-in lists to use, by ISO 639-1 code."
    )
    words: tuple[str, ...] = Field(default=(), max_length=10_000, description="Additional words and phrases; case is ignored.")
    file: FilePath | None = Field(default=None, description="Path or URL of a file with additional entries, one per line.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The ratio of each row."""
        words = chosen_words("flagged_words", self.languages, self.words, self.file)
        return share(*listed_words(batch, self.column, self.tokenizer, words))
