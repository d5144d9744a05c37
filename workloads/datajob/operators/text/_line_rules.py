"""The line rules of C4, which c4Quality and removeLines share."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from datajob.operators.base import Operator
from datajob.operators.strings.column import Character
from datajob.operators.strings.words import Tokenizer
from datajob.parameters import Column

POLICY_PHRASES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


class LineRules(Operator):
    """Parameters of the line rules."""

    abstract: ClassVar[bool] = True

    column: Column = Field(default="text", description="Text column; null stays null.")
    tokenizer: Tokenizer = "unicode"
    remove_citations: bool = Field(default=True, description="Remove `[1]`, `[]`, `[edit]` and `[citation needed]` from lines.")
    require_line_end_mark: bool = Field(
        default=True, description="Remove lines that end in `...` or do not end in a character of `lineEndMarks`."
    )
    line_end_marks: tuple[Character, ...] = Field(
        default=(".", "?", "!", '"', "'"), max_length=100, description="Characters that a line may end in."
    )
    min_words_per_line: int = Field(default=3, ge=0, description="Minimum number of words per line; 0 also keeps empty lines.")
    max_word_length: int = Field(default=1000, ge=1, description="Maximum length of a word in characters.")
