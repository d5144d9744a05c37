"""Removal of lines."""

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
    """Removes lines by the line rules of C4 and keeps every document, however little is left of it.

    Kept lines are stripped and joined by newlines. `c4Quality` does the same and drops documents.

    Example:

        - removeLines: {minWordsPerLine: 5}
    """

    column: Column = Field(default="text", description="The text; null stays null.")
    tokenizer: Tokenizer = "unicode"
    phrases: tuple[str, ...] = Field(
        default=("javascript", *POLICY_PHRASES),
        max_length=1000,
        description="Remove lines with one of these; ASCII letters match in both cases.",
    )
    remove_citations: bool = Field(default=True, description="Remove `[1]`, `[]`, `[edit]`, `[citation needed]` from lines.")
    require_line_end_mark: bool = Field(
        default=True, description="Remove lines that end in no mark of `lineEndMarks` or in `...`."
    )
    line_end_marks: tuple[Character, ...] = Field(
        default=(".", "?", "!", '"', "'"), max_length=100, description="Characters a line may end in."
    )
    min_words_per_line: int = Field(default=3, ge=0, description="Remove lines with fewer words; 0 keeps empty lines too.")
    max_word_length: int = Field(default=1000, ge=1, description="Remove lines with a longer word, characters.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the column's good lines."""
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
