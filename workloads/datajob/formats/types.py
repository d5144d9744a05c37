"""Column types by name: `int64`, `timestamp[us, tz=UTC]`, `list<struct<x: double, label: string>>`."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

if TYPE_CHECKING:
    import pyarrow as pa

SIMPLE = {
    **{name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
    **{name: name for name in ("float16", "float32", "float64", "string", "binary", "date32")},
    "int": "int64",
    "float": "float64",
    "double": "float64",
    "bool": "bool_",
    "boolean": "bool_",
    "date": "date32",
}
"""Names without parameters, with the function of pyarrow that creates the type."""
_DECIMAL = re.compile(r"decimal\s*\(\s*(\d{1,2})\s*(?:,\s*(\d{1,2})\s*)?\)")
_TIME = re.compile(r"(timestamp|duration|time)\s*(?:\[\s*(s|ms|us|ns)\s*(?:,\s*tz\s*=\s*([^\]]+?)\s*)?\])?")
_NESTED = re.compile(r"(list|struct|map)\s*<(.*)>", re.DOTALL)

Build = Callable[[Any], Any]
"""Creates the type, given the module pyarrow. Names can therefore be checked without pyarrow."""


def _parse(name: str) -> Build:
    """The constructor of the type `name`. Raises ValueError."""
    text = name.strip()
    if text in SIMPLE:
        return lambda pa: getattr(pa, SIMPLE[text])()
    if match := _NESTED.fullmatch(text):
        return _nested(match[1], _split(match[2]), name)
    if (match := _DECIMAL.fullmatch(text)) and 1 <= int(match[1]) <= 38 and int(match[2] or 0) <= int(match[1]):
        precision, scale = int(match[1]), int(match[2] or 0)
        return lambda pa: pa.decimal128(precision, scale)
    if match := _TIME.fullmatch(text):
        kind, unit, zone = match[1], match[2] or "us", match[3]
        if kind == "timestamp":
            return lambda pa: pa.timestamp(unit, zone)
        if zone is None:
            function = "duration" if kind == "duration" else "time32" if unit in ("s", "ms") else "time64"
            return lambda pa: getattr(pa, function)(unit)
    close = get_close_matches(text, SIMPLE, 1)
    raise ValueError(
        f"`{name}` is not a type; "
        + (f"did you mean {close[0]}?" if close else "known are " + ", ".join(SIMPLE))
        + (
            ""
            if close
            else ", timestamp[us, tz=UTC], decimal(10, 2), list<int64>, struct<a: int64, b: string>, map<string, int64>"
        )
    )


def _nested(kind: str, parts: list[str], name: str) -> Build:
    if kind == "struct":
        pairs = [part.partition(":") for part in parts]
        if not pairs or any(not (field.strip() and colon) for field, colon, _ in pairs):
            raise ValueError(f"`{name}` is not a type; a struct is written struct<a: int64, b: string>")
        fields = [(field.strip(), _parse(rest)) for field, _, rest in pairs]
        return lambda pa: pa.struct([pa.field(field, build(pa)) for field, build in fields])
    if len(parts) != (1 if kind == "list" else 2):
        raise ValueError(f"`{name}` is not a type; write list<int64> or map<string, int64>")
    inner = [_parse(part) for part in parts]
    return lambda pa: getattr(pa, f"{kind}_")(*(build(pa) for build in inner))


def _split(text: str) -> list[str]:
    """`text` split at the commas outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "<([") - (character in ">)]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _check(name: str) -> str:
    _parse(name)
    return name


TypeName = Annotated[str, Field(min_length=1), AfterValidator(_check)]
"""A type name, validated when the job is parsed."""


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type for `name`. Raises ValueError if there is none."""
    import pyarrow as pa

    made: pa.DataType = _parse(name)(pa)
    return made
