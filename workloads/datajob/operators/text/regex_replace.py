"""regexReplace: replace matches of a regular expression."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from datajob.operators.base import Map
from datajob.operators.strings.column import replaced, text_array
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class RegexReplace(Map):
    """Replace every match of a regular expression (RE2 syntax, linear time) in a text column.

    RE2 does not support lookarounds or backreferences in the pattern. `\\\\1` in the replacement is the first group.

    Example:

        - regexReplace: {pattern: '\\[(\\d+)\\]', replacement: ''}      # citations such as [12]
    """

    column: Column = Field(default="text", description="Text column; null stays null.")
    pattern: str = Field(
        min_length=1, description="RE2 regular expression; prefix `(?i)` to ignore case, `(?s)` to let `.` match newlines."
    )
    replacement: str = Field(default="", description="Replacement for each match; `\\1` to `\\9` are groups.")

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        if problem := _problem(self.pattern, self.replacement):
            raise ValueError(problem)
        return self

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the new column."""
        import pyarrow.compute as pc

        text = text_array(batch, self.column)
        return replaced(batch, self.column, pc.replace_substring_regex(text, self.pattern, self.replacement))


def _problem(pattern: str, replacement: str) -> str | None:
    """Why RE2 refuses the pattern or the replacement; None when it does not.

    Where pyarrow is not installed (the controller), DuckDB checks the pattern with the same engine, and the driver checks the
    replacement.
    """
    if find_spec("pyarrow") is None:
        return _without_arrow(pattern)
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.replace_substring_regex(pa.array([""]), pattern, replacement)
    except pa.ArrowException as error:
        what, _, reason = str(error).partition(": ")
        if "replacement" in what:
            return f'`replacement` is not valid: {reason} Write `\\\\` for a backslash; a newline is `"\\n"` in double quotes.'
        return _invalid_pattern(reason)
    return None


def _without_arrow(pattern: str) -> str | None:
    if find_spec("duckdb") is None:
        return None
    import duckdb

    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        try:
            connection.execute("SELECT regexp_replace('', $1, '')", [pattern])
        except duckdb.Error as error:
            return _invalid_pattern(str(error).splitlines()[0].partition(": ")[2].rstrip("."))
    return None


def _invalid_pattern(reason: str) -> str:
    unsupported = "perl operator" in reason or "escape sequence" in reason
    hint = " RE2 does not support lookarounds or backreferences." if unsupported else ""
    return f"`pattern` is not a valid RE2 regular expression: {reason}.{hint}"
