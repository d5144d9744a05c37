"""removeHeaders: remove headers before the main text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch

Kind = Literal["frontMatter", "email", "latex"]

_PATTERNS: dict[Kind, str] = {
    "frontMatter": r"\A\s*(?:---[ \t]*\n(?:.*\n)*?---[ \t]*(?:\n|\Z)|\+\+\+[ \t]*\n(?:.*\n)*?\+\+\+[ \t]*(?:\n|\Z))\s*",
    "email": r"\A\s*(?:[A-Z][A-Za-z-]*:[ \t].*\n(?:[ \t]+\S.*\n)*){2,}\s*\n",
    "latex": r"\A(?:.*\n)*?(?=[ \t]*\\(?:chapter|part|section|subsection|subsubsection|paragraph|subparagraph)\b\*?)",
}


class RemoveHeaders(Map):
    """Remove Markdown front matter, email headers and LaTeX preambles from the start of texts.

    Example:

        - removeHeaders: {kinds: [frontMatter]}
    """

    column: Column = Field(default="text", description="Text column; null stays null.")
    kinds: tuple[Kind, ...] = Field(
        default=("frontMatter", "email", "latex"),
        min_length=1,
        max_length=3,
        description="Kinds of headers to remove. `frontMatter`: a block between `---` or `+++` lines. `email`: two or more "
        "`Name: value` lines up to an empty line. `latex`: everything before the first sectioning command.",
    )

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the new column."""
        import pyarrow.compute as pc

        from datajob.operators.strings.column import map_rows, replaced, text_array

        text = text_array(batch, self.column)
        patterns = [re.compile(_PATTERNS[kind]) for kind in self.kinds]
        matches: Any = pc.match_substring_regex
        may_change = matches(text, r"\A\s*(?:---|\+\+\+|[A-Z][A-Za-z-]*:)|\\(?:chapter|part|(?:sub)*section|(?:sub)?paragraph)")

        def clean(row: str) -> str:
            for pattern in patterns:
                row = pattern.sub("", row, count=1)
            return row

        return replaced(batch, self.column, map_rows(text, clean, may_change))
