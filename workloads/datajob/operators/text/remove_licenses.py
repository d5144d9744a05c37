"""removeLicenses: remove license headers from source code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch

_COMMENT = re.compile(
    r"\A\s*(?:#![^\n]*\n)?\s*"
    r"(?P<comment>/\*.*?\*/|<!--.*?-->|\"\"\".*?\"\"\"|(?:(?://|#|--|;|%)[^\n]*(?:\n[ \t]*|\Z))+)\s*",
    re.DOTALL,
)
_LICENSE = re.compile(r"copyright|licen[cs]e|\(c\)\s*\d{4}|©|SPDX-", re.IGNORECASE)


class RemoveLicenses(Map):
    """Remove comments about copyright or licensing from the start of source code.

    Comments in the syntax of C, shell, SQL, Lisp, TeX, HTML and Python are supported. A `#!` line before such a comment is
    also removed.

    Example:

        - removeLicenses: {column: code}
    """

    column: Column = Field(default="text", description="Column with source code; null stays null.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the new column."""
        import pyarrow.compute as pc

        from datajob.operators.strings.column import map_rows, replaced, text_array

        text = text_array(batch, self.column)
        matches: Any = pc.match_substring_regex
        start = pc.utf8_slice_codeunits(text, 0, 4000)
        may_change = matches(start, r"(?is)\A\s*(?:/\*|<!--|\"\"\"|//|#|--|;|%).*(?:copyright|licen[cs]e|\(c\)|©|spdx-)")
        return replaced(batch, self.column, map_rows(text, without_license, may_change))


def without_license(code: str) -> str:
    """The code without leading comments about licensing."""
    while (match := _COMMENT.match(code)) and _LICENSE.search(match["comment"]):
        code = code[match.end() :]
    return code
