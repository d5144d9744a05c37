"""Which JSON schemas an answer can be restricted to. A keyword without support is refused, since an answer could violate it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from datajob.operators.inference._engines.serving import InvalidSchema

MAX_DEPTH = 40
MAX_SCHEMAS = 1_000
"""Maximum number of schemas in a schema. An object with 1,000 properties takes 0.3 seconds to compile, with 5,000 five."""
MAX_CHOICES = 5_000
"""Maximum number of values in all `enum`."""
MAX_COUNT = 10_000
"""Maximum of `minLength`, `maxItems` and similar."""
FORM = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""JSON on one line, as options of the library llguidance. Models that choose the spaces may continue with spaces forever."""

_ONE = ("items", "additionalProperties")
_LISTS = ("prefixItems", "anyOf", "oneOf", "allOf")
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_VALUES = (
    "type", "required", "enum", "const", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "$ref",
)  # fmt: skip
_NOTES = (
    "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "discriminator", "$comment",
    "$schema", "$id",
)  # fmt: skip
"""Keywords that permit the same values with any content. `discriminator` belongs to the schemas of pydantic."""
KEYWORDS = frozenset((*_ONE, *_LISTS, *_MAPS, *_COUNTS, *_VALUES, *_NOTES))


def guided(schema: Mapping[str, Any] | bool) -> str:
    """A schema, or that of any object for True, with its options for the library llguidance, as JSON. Raises InvalidSchema."""
    found = schema if isinstance(schema, Mapping) else {"type": "object"}
    check_schema(found)
    return json.dumps({**found, "x-guidance": FORM})


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise InvalidSchema if a schema has keywords without support, or is too large."""
    choices = 0
    for schemas, (path, part, depth) in enumerate(_parts(schema), 1):
        if depth > MAX_DEPTH or schemas > MAX_SCHEMAS:
            what = f"more than {MAX_SCHEMAS} parts" if schemas > MAX_SCHEMAS else f"more than {MAX_DEPTH} levels"
            raise InvalidSchema(f"the schema has {what}; simplify it")
        if isinstance(part, Mapping):
            _check_keywords(path, part)
            choices += len(part["enum"]) if isinstance(part.get("enum"), list) else 0
            if choices > MAX_CHOICES:
                raise InvalidSchema(f"the schema has more than {MAX_CHOICES} values in `enum`; simplify it")
        elif not isinstance(part, bool):
            raise InvalidSchema(f"{path} is not a schema: an object, true or false is required")


def _check_keywords(path: str, part: Mapping[str, Any]) -> None:
    for keyword in part:
        if keyword not in KEYWORDS:
            raise InvalidSchema(f"the keyword `{keyword[:60]}` at {path} is not supported; remove it from the schema")
    if path != "$" and "$id" in part:
        raise InvalidSchema(f"the keyword `$id` at {path} is not supported; remove it from the schema")
    reference = part.get("$ref", "#")
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise InvalidSchema(f"`$ref` at {path} must refer to a part of this schema, such as `#/$defs/NAME`")
    for keyword in _COUNTS:
        count = part.get(keyword, 0)
        if isinstance(count, int | float) and count > MAX_COUNT:
            raise InvalidSchema(f"`{keyword}` at {path} exceeds {MAX_COUNT}")


def _parts(schema: Any) -> Iterator[tuple[str, Any, int]]:
    """All schemas within a schema, with their path and depth."""
    pending: list[tuple[str, Any, int]] = [("$", schema, 1)]
    while pending:
        path, part, depth = pending.pop()
        yield path, part, depth
        if not isinstance(part, Mapping):
            continue
        pending += [(f"{path}.{name}", part[name], depth + 1) for name in _ONE if name in part]
        for name in _LISTS:
            inner = part.get(name)
            if isinstance(inner, list):
                pending += [(f"{path}.{name}[{i}]", one, depth + 1) for i, one in enumerate(inner)]
        for name in _MAPS:
            inner = part.get(name)
            if isinstance(inner, Mapping):
                pending += [(f"{path}.{name}.{key[:60]}", one, depth + 1) for key, one in inner.items()]
