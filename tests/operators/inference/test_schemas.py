"""Schemas whose keywords cannot be enforced are refused by name."""

from __future__ import annotations

import re
from typing import Any

import pytest

from datajob.operators.inference._engines.schemas import MAX_CHOICES, MAX_DEPTH, MAX_SCHEMAS, check_schema
from datajob.operators.inference._engines.serving import InvalidSchema


def nested(levels: int) -> dict[str, Any]:
    """An object in an object."""
    found: dict[str, Any] = {"type": "string"}
    for _ in range(levels - 1):
        found = {"type": "object", "properties": {"a": found}}
    return found


REFUSED: dict[str, tuple[Any, str]] = {
    "not": ({"not": {"type": "string"}}, "`not` at $ is"),
    "inside": ({"properties": {"a": {"items": {"uniqueItems": True}}}}, "`uniqueItems` at $.properties.a.items is"),
    "in a list": ({"anyOf": [{}, {"contains": {}}]}, "`contains` at $.anyOf[1] is"),
    "in a definition": ({"$defs": {"a": {"if": {}}}}, "`if` at $.$defs.a is"),
    "options of the library": ({"x-guidance": {"lenient": True}}, "`x-guidance` at"),
    "misspelled": ({"typ": "string"}, "`typ` at"),
    "dynamic reference": ({"$dynamicRef": "#a"}, "`$dynamicRef` at"),
    "remote reference": ({"$ref": "http://169.254.169.254/"}, "`$ref` at $ must refer to a part of this schema"),
    "reference to a file": ({"$ref": "file:///etc/passwd"}, "must refer to a part of this schema"),
    "reference that is no text": ({"$ref": 5}, "must refer to a part of this schema"),
    "other base": ({"properties": {"a": {"$id": "http://x/"}}}, "`$id` at"),
    "not a schema": ({"properties": {"a": 5}}, "$.properties.a is not a schema"),
    "items of draft 4": ({"items": [{"type": "string"}]}, "$.items is not a schema"),
    "too deep": (nested(MAX_DEPTH + 1), "more than 40 levels"),
    "too large": ({"properties": {str(i): {} for i in range(MAX_SCHEMAS)}}, "more than 1000 parts"),
    "too many values": ({"anyOf": [{"enum": ["a"] * (MAX_CHOICES // 2 + 1)}] * 2}, "more than 5000 values"),
    "large count": ({"type": "array", "minItems": 10**9}, "`minItems` at $ exceeds 10000"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_schema_that_cannot_be_enforced_is_refused(name: str) -> None:
    schema, message = REFUSED[name]
    with pytest.raises(InvalidSchema, match=re.escape(message)):
        check_schema(schema)


def test_schemas_of_models_of_pydantic_are_accepted() -> None:
    from datetime import datetime
    from enum import Enum
    from typing import Annotated, Literal

    from pydantic import BaseModel, Field

    class Color(Enum):
        RED = "red"
        BLUE = "blue"

    class Node(BaseModel):
        """A tree."""

        kind: Literal["node"] = "node"
        color: Color
        size: Annotated[int, Field(ge=0, lt=10)] = 3
        time: datetime | None = None
        children: list[Node] = Field(max_length=3, examples=[[]])

    class Leaf(BaseModel):
        kind: Literal["leaf"] = "leaf"

    class Tree(BaseModel):
        root: Annotated[Node | Leaf, Field(discriminator="kind")]

    check_schema(Tree.model_json_schema())
    check_schema(nested(MAX_DEPTH))
