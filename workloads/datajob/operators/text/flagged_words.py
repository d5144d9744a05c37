"""The share of flagged words."""

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
    """Keeps texts by the share of words that belong to flagged words or phrases.

    The shipped lists (de, en, es, fr, ru, zh) are short and meant against adult and gambling spam; bring your own for
    more. An entry of several words, or of several Chinese characters, counts with all of them. The default maximum is
    that of Data-Juicer.

    Example:

        - flaggedWords: {languages: [en, zh], max: 0}
    """

    tokenizer: Tokenizer = "unicode"
    max: float = Field(default=0.045, ge=0, description="Largest share kept; 0 drops every text with a flagged word.")
    languages: tuple[Language, ...] = Field(
        default=("en",), max_length=15, description="Shipped lists to use, by ISO 639-1 code."
    )
    words: tuple[str, ...] = Field(
        default=(), max_length=10_000, description="More words and phrases; any capitalisation matches."
    )
    file: FilePath | None = Field(default=None, description="File with more, one a line; local or any fsspec URL.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The share of each row."""
        words = chosen_words("flagged_words", self.languages, self.words, self.file)
        return share(*listed_words(batch, self.column, self.tokenizer, words))
