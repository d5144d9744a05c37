"""finewebQuality: reject documents by the quality rules of FineWeb."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from datajob.operators.base import Bound, Filter, Verdict
from datajob.operators.measures import bounds_of
from datajob.operators.strings.column import Character
from datajob.operators.strings.words import Tokenizer, words_of
from datajob.parameters import Column

if TYPE_CHECKING:
    from datajob.operators.base import Batch, Measures

BOUNDS = (
    ("min_marked_lines", "marked_lines"),
    ("max_short_lines", "short_lines"),
    ("max_duplicate_line_characters", "duplicate_line_characters"),
    ("max_newlines_per_word", "newlines_per_word"),
)
"""The limits and their measures, in the order of the rules."""


class FinewebQuality(Filter):
    """Reject documents that consist of lists, menus or repeated lines, by the rules of FineWeb.

    Rules, defaults, order and names are those of Penedo et al. 2024 (arXiv:2406.17557), as implemented by datatrove. Lines
    are separated by `\\n`; blank lines are ignored.

    Example:

        - finewebQuality: {}
    """

    infallible: ClassVar[bool] = True

    column: Column = Field(default="text", description="Text column.")
    tokenizer: Tokenizer = "unicode"
    min_marked_lines: float = Field(default=0.12, ge=0, description="Minimum ratio of lines that end in an end mark.")
    allow_no_marked_line: bool = Field(default=False, description="Keep documents without any line that ends in an end mark.")
    line_end_marks: tuple[Character, ...] = Field(
        default=(), max_length=500, description="End marks; by default those of all scripts."
    )
    max_short_lines: float = Field(default=0.67, ge=0, description="Maximum ratio of short lines.")
    short_line_length: int = Field(default=30, ge=0, description="Maximum length of a short line in characters.")
    max_duplicate_line_characters: float = Field(
        default=0.01, ge=0, description="Maximum ratio of characters in lines that repeat an earlier line."
    )
    max_newlines_per_word: float = Field(default=0.3, ge=0, description="Maximum number of newlines per word.")

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`."""
        import numpy as np

        from datajob.operators.kernels.fineweb import REASONS, fineweb_quality
        from datajob.operators.kernels.hashtable import capacity_for
        from datajob.operators.kernels.unicode import classes, classes_with_terminals
        from datajob.operators.strings.column import frozen, longest, text_of

        codes = np.zeros(len(batch), dtype=np.int8)
        limits = (
            self.min_marked_lines,
            self.max_short_lines,
            self.max_duplicate_line_characters,
            self.max_newlines_per_word,
        )
        words = words_of(batch, self.column, self.tokenizer)
        fineweb_quality(
            text_of(batch, self.column),
            classes_with_terminals(self.line_end_marks) if self.line_end_marks else classes(),
            words,
            frozen(limits, "f8"),
            self.short_line_length,
            self.allow_no_marked_line,
            np.empty(capacity_for(longest(words.break_rows) + 1), np.uint64),
            codes,
        )
        return Verdict(codes, REASONS)

    def bounds(self) -> tuple[Bound, ...]:
        """Every limit of a ratio."""
        return bounds_of(self, BOUNDS)

    def measures(self, batch: Batch) -> Measures:
        """The measures that the limits apply to. A blank text has none. A text without end marks has no ratio of marked
        lines if `allow_no_marked_line` is set."""
        import numpy as np

        from datajob.operators.kernels.hashtable import capacity_for
        from datajob.operators.kernels.measures import line_measures
        from datajob.operators.kernels.unicode import classes, classes_with_terminals
        from datajob.operators.strings.column import longest, text_of

        words = words_of(batch, self.column, self.tokenizer)
        found = np.zeros((len(batch), len(BOUNDS)))
        line_measures(
            text_of(batch, self.column),
            classes_with_terminals(self.line_end_marks) if self.line_end_marks else classes(),
            words,
            self.short_line_length,
            np.empty(capacity_for(longest(words.break_rows) + 1), np.uint64),
            found,
        )
        if self.allow_no_marked_line:
            found[found[:, 0] == 0, 0] = np.nan
        return {measure: found[:, at] for at, (_, measure) in enumerate(BOUNDS)}
