"""Gopher's quality rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from datajob.operators.base import Bound, Filter, Verdict
from datajob.operators.measures import bounds_of
from datajob.operators.strings.words import Tokenizer, hashes_of, words_of
from datajob.parameters import Column

if TYPE_CHECKING:
    from datajob.operators.base import Batch, Measures

BOUNDS = (
    ("min_words", "words"),
    ("max_words", "words"),
    ("min_average_word_length", "average_word_length"),
    ("max_average_word_length", "average_word_length"),
    ("max_symbol_ratio", "hashes_per_word"),
    ("max_symbol_ratio", "ellipses_per_word"),
    ("max_bullet_lines", "bullet_lines"),
    ("max_ellipsis_lines", "ellipsis_lines"),
    ("min_alphabetic_words", "alphabetic_words"),
    ("min_stop_words", "stop_words"),
)
"""The limits and what they are limits of, in the order in which they are applied."""
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


class GopherQuality(Filter):
    """Drops documents that do not look like prose by Gopher's rules: length, symbols, bullets, ellipses, stop words.

    The rules and defaults of Rae et al. 2021 (arXiv:2112.11446) as datatrove applies them, in its order, with its
    names: a row is dropped for the first rule that fails. A ratio with a maximum of 1000 or a minimum of 0 never drops.
    Null is treated as an empty text.

    Example:

        - gopherQuality: {minStopWords: 1, stopWords: [der, die, und, in, zu, mit]}      # German
    """

    infallible: ClassVar[bool] = True

    column: Column = Field(default="text", description="The text.")
    tokenizer: Tokenizer = "unicode"
    min_words: int = Field(default=50, ge=0, description="Fewest words that are not symbols only.")
    max_words: int = Field(default=100_000, ge=0, description="Most words that are not symbols only.")
    min_average_word_length: float = Field(default=3, ge=0, description="Lowest mean length of these words, characters.")
    max_average_word_length: float = Field(default=10, ge=0, description="Highest mean length of these words, characters.")
    max_symbol_ratio: float = Field(default=0.1, ge=0, description="Most `#` per word, and most ellipses per word.")
    max_bullet_lines: float = Field(default=0.9, ge=0, description="Largest share of lines that start with `•` or `-`.")
    max_ellipsis_lines: float = Field(default=0.3, ge=0, description="Largest share of lines that end in an ellipsis.")
    min_alphabetic_words: float = Field(default=0.8, ge=0, description="Smallest share of words with a letter.")
    min_stop_words: int = Field(default=2, ge=0, description="Fewest different stop words.")
    stop_words: tuple[str, ...] = Field(
        default=STOP_WORDS, max_length=1000, description="Words any prose of the language has; compared as they are written."
    )

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`."""
        import numpy as np

        from datajob.operators.kernels.gopher import REASONS, gopher_quality
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import frozen, text_of

        codes = np.zeros(len(batch), dtype=np.int8)
        limits = (
            self.min_words,
            self.max_words,
            self.min_average_word_length,
            self.max_average_word_length,
            self.max_symbol_ratio,
            self.max_symbol_ratio,
            self.max_bullet_lines,
            self.max_ellipsis_lines,
            self.min_alphabetic_words,
        )
        words = words_of(batch, self.column, self.tokenizer)
        stop_words = hashes_of(self.stop_words)
        gopher_quality(
            text_of(batch, self.column),
            classes(),
            words,
            frozen(limits, "f8"),
            stop_words,
            self.min_stop_words,
            np.empty(len(stop_words), np.bool_),
            codes,
        )
        return Verdict(codes, REASONS)

    def bounds(self) -> tuple[Bound, ...]:
        """Every limit."""
        return bounds_of(self, BOUNDS)

    def measures(self, batch: Batch) -> Measures:
        """What the limits are compared with."""
        import numpy as np

        from datajob.operators.kernels.measures import quality_measures
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import text_of

        text, words, stop_words = (
            text_of(batch, self.column),
            words_of(batch, self.column, self.tokenizer),
            hashes_of(self.stop_words),
        )
        names = tuple(dict.fromkeys(measure for _, measure in BOUNDS))
        found = np.zeros((len(batch), len(names)))
        quality_measures(text, classes(), words, stop_words, np.empty(len(stop_words), np.bool_), found)
        return dict(zip(names, found.T, strict=True))
