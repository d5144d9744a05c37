"""Prompt templates: texts with `{column}` placeholders."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any


def fields(template: str) -> tuple[str, ...]:
    """The columns of a template, in order. Raises ValueError if its braces are invalid."""
    found: list[str] = []
    for _, name, form, conversion in Formatter().parse(template):
        if name is None:
            continue
        if not name or form or conversion:
            raise ValueError("braces must enclose the name of a column; write {{ and }} for literal braces")
        found.append(name)
    return tuple(dict.fromkeys(found))


def fill(template: str, row: Mapping[str, Any]) -> str:
    """The prompt of a row; null becomes an empty text. Column names are literal, including dots and brackets."""
    parts: list[str] = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(literal)
        if name is not None:
            value = row[name]
            parts.append("" if value is None else str(value))
    return "".join(parts)
