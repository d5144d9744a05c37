"""gopherQuality: reject documents by the quality rules of Gopher."""

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
"""The limits and their measures, in the order of the rules."""
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


class GopherQuality(Filter):
    """Reject documents that do not look like prose, by the quality rules of Gopher.

    The rules check length, symbols, bullets, ellipses and stop words. Rules, defaults, order and names are those of Rae et
    al. 2021 (arXiv:2112.11446), as implemented by datatrove. A row is rejected by the first rule that fails. To disable a
    rule, set its maximum to 1000 or its minimum to 0. Null is treated as an empty text.

    Example:

        - gopherQuality: {minStopWords: 1, stopWords: [der, die, und, in, zu, mit]}      # German
    """

    infallible: ClassVar[bool] = True

    column: Column = Field(default="text", description="Text column.")
    tokenizer: Tokenizer = "unicode"
    min_words: int = Field(default=50, ge=0, description="Minimum number of words that do not consist of symbols.")
    max_words: int = Field(default=100_000, ge=0, description="Maximum number of words that do not consist of symbols.")
    min_average_word_length: float = Field(default=3, ge=0, description="Minimum mean length of these words in characters.")
    max_average_word_length: float = Field(default=10, ge=0, description="Maximum mean length of these words in characters.")
    max_symbol_ratio: float = Field(default=0.1, ge=0, description="Maximum number of `#`, and of ellipses, per word.")
    max_bullet_lines: float = Field(default=0.9, ge=0, description="Maximum ratio of lines that start with `•` or `-`.")
    max_ellipsis_lines: float = Field(default=0.3, ge=0, description="Maximum ratio of lines that end in an ellipsis.")
    min_alphabetic_words: float = Field(default=0.8, ge=0, description="Minimum ratio of words that contain a letter.")
    min_stop_words: int = Field(default=2, ge=0, description="Minimum number of distinct stop words.")
    stop_words: tuple[str, ...] = Field(
        default=STOP_WORDS, max_length=1000, description="Stop words of the language; case is significant."
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
        """The measures that the limits apply to."""
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
