"""Prompts as a job writes them: a text with `{column}` where values of the row go."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any


def fields(template: str) -> tuple[str, ...]:
    """Columns that a template names, in order. Raises ValueError when its braces make no sense."""
    found: list[str] = []
    for _, name, form, conversion in Formatter().parse(template):
        if name is None:
            continue
        if not name or form or conversion:
            raise ValueError("between braces stands the name of a column; write {{ and }} for braces themselves")
        found.append(name)
    return tuple(dict.fromkeys(found))


def fill(template: str, row: Mapping[str, Any]) -> str:
    """The prompt of a row; a null is an empty text. Column names are taken literally, dots and brackets included."""
    parts: list[str] = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(literal)
        if name is not None:
            value = row[name]
            parts.append("" if value is None else str(value))
    return "".join(parts)
