"""removeLines: remove lines by the line rules of C4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Map
from datajob.operators.strings.column import Character
from datajob.operators.strings.words import Tokenizer
from datajob.operators.text.c4_quality import POLICY_PHRASES, C4Quality
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class RemoveLines(Map):
    """Remove lines by the line rules of C4, without rejecting documents.

    The remaining lines are stripped and joined by newlines. `c4Quality` also rejects documents.

    Example:

        - removeLines: {minWordsPerLine: 5}
    """

    column: Column = Field(default="text", description="Text column; null stays null.")
    tokenizer: Tokenizer = "unicode"
    phrases: tuple[str, ...] = Field(
        default=("javascript", *POLICY_PHRASES),
        max_length=1000,
        description="Remove lines that contain one of these phrases; ASCII letters match regardless of case.",
    )
    remove_citations: bool = Field(default=True, description="Remove `[1]`, `[]`, `[edit]` and `[citation needed]` from lines.")
    require_line_end_mark: bool = Field(
        default=True, description="Remove lines that end in `...` or do not end in a character of `lineEndMarks`."
    )
    line_end_marks: tuple[Character, ...] = Field(
        default=(".", "?", "!", '"', "'"), max_length=100, description="Characters that a line may end in."
    )
    min_words_per_line: int = Field(default=3, ge=0, description="Minimum number of words per line; 0 also keeps empty lines.")
    max_word_length: int = Field(default=1000, ge=1, description="Maximum length of a word in characters.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the remaining lines of the column."""
        from datajob.operators.strings.column import replaced

        rule = C4Quality(
            **self.model_dump(by_alias=False, exclude={"phrases"}),
            policy_phrases=self.phrases,
            min_sentences=0,
            lorem_ipsum=False,
            javascript=False,
            curly_bracket=False,
        )
        return replaced(batch, self.column, rule.keep(batch).columns[self.column])
