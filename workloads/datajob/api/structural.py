"""Structural schemas of CustomResourceDefinitions, from JSON Schemas.

Kubernetes requires them: no references, no `anyOf` except for int-or-string, one type per field.
No field is nullable: the API server treats a null as an absent field, as the models do.
No field has a default: the API server would write it into stored objects, and `kubectl apply` would find a difference.
Rules that types cannot express (exactly one operator, min <= max) are CEL rules.
Each description is its first sentence, because the API server and `kubectl apply` limit the size of the object, followed by the
default and the range. Every text, list and mapping has a maximum size, so that no object takes the controller long to check.
"""

import json
import re
from typing import Any

from datajob.api.jsonschema import Schema, first_sentence
from datajob.formats._exact import EXACT
from datajob.one_of import EXACTLY_ONE

MAX_CHARACTERS = 16_384
MAX_ENTRIES = 10_000
MAX_KEYS = 1_000
"""Limits of texts, lists and mappings of a spec whose field has no lower limit."""

_KEPT = {
    "type", "description", "required", "enum", "minLength", "maxLength", "pattern",
    "minItems", "maxItems", "minProperties", "maxProperties", "multipleOf", "format",
}  # fmt: skip
_CEL_WORDS = {
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if",
    "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
}  # fmt: skip


def structural(node: Schema) -> Schema:
    """A resolved JSON Schema as a structural schema."""
    found = {key: value for key, value in node.items() if key in _KEPT or key.startswith("x-kubernetes")}
    if "description" in node:
        sentence, facts = first_sentence(node["description"]), _facts(node)
        end = "." if facts and sentence[-1] not in ".:" else ""
        found["description"] = " ".join([f"{sentence}{end}", *facts])
    if "const" in node:
        found["enum"] = [node["const"]]
    found |= _bounds(node)
    if "anyOf" in node and "x-kubernetes-int-or-string" not in node:
        found |= _union(node["anyOf"])
    if "properties" in node:
        found["properties"] = {name: structural(field) for name, field in node["properties"].items()}
    if isinstance(node.get("additionalProperties"), dict) and node["additionalProperties"]:
        found["additionalProperties"] = structural(node["additionalProperties"])
    if isinstance(node.get("items"), dict):
        found["items"] = structural(node["items"])
    if EXACTLY_ONE in node:
        found["x-kubernetes-validations"] = [_exactly_one(node)]
    elif "x-kubernetes-validations" in node:
        rules = node["x-kubernetes-validations"]
        found["x-kubernetes-validations"] = [{**rule, "rule": _with_defaults(rule["rule"], node)} for rule in rules]
    if "type" not in found and "x-kubernetes-int-or-string" not in found:
        found["x-kubernetes-preserve-unknown-fields"] = True
    if found.get("type") == "object" and not {"properties", "additionalProperties"} & found.keys():
        found["x-kubernetes-preserve-unknown-fields"] = True
    return found


def _bounds(node: Schema) -> Schema:
    """`exclusiveMinimum: 0` is written `minimum: 0, exclusiveMinimum: true` in OpenAPI 3.0.

    There, bounds are compared as 64-bit floats. Bounds that no float can represent are expressed by `format: int64`.
    """
    found: Schema = {}
    for side in ("Minimum", "Maximum"):
        if f"exclusive{side}" in node:
            found |= {side.lower(): node[f"exclusive{side}"], f"exclusive{side}": True}
        elif side.lower() in node:
            found[side.lower()] = node[side.lower()]
    exact = {key: bound for key, bound in found.items() if abs(bound) <= EXACT}
    return exact if exact == found else exact | {"format": "int64"}


def _union(branches: list[Schema]) -> Schema:
    """A type that includes all `branches`; if there is none, the field is open and only the controller checks it."""
    kinds = {branch.get("type") for branch in branches}
    if kinds == {"integer", "number"}:
        return {"type": "number"}
    if kinds == {"integer", "string"}:
        return {"x-kubernetes-int-or-string": True}
    if len(kinds) == 1 and kinds <= {"string", "integer", "number", "boolean"}:
        return {"type": kinds.pop()}
    return {"x-kubernetes-preserve-unknown-fields": True}


def _exactly_one(node: Schema) -> Schema:
    present = ", ".join(f"has(self.{_cel_name(key)})" for key in node["properties"])
    return {"rule": f"[{present}].exists_one(x, x)", "message": f"needs exactly one {node[EXACTLY_ONE]} key"}


def _cel_name(key: str) -> str:
    return f"__{key}__" if key in _CEL_WORDS else key


def _with_defaults(rule: str, node: Schema) -> str:
    """A rule in which absent fields have their defaults."""

    def value(match: re.Match[str]) -> str:
        default = node["properties"].get(match[1], {}).get("default")
        return match[0] if default is None else f"(has({match[0]}) ? {match[0]} : {_cel_value(default)})"

    return re.sub(r"(?<!has\()self\.(\w+)", value, rule)


def _cel_value(default: Any) -> str:
    return f"'{default}'" if isinstance(default, str) else json.dumps(default)


def _facts(node: Schema) -> list[str]:
    """Default and range of a field, as sentences."""
    default = _without_empty(node.get("default"))
    fields = node.get("properties", {})
    if isinstance(default, dict):  # fields state their own defaults
        default = {key: value for key, value in default.items() if fields.get(key, {}).get("default") != value}
    shown = default if isinstance(default, str) and default.strip() else json.dumps(default, ensure_ascii=False)
    stated = [f"Default: {shown}."] if default not in (None, [], {}) else []
    return [*stated, *_range(node)]


def _range(node: Schema) -> list[str]:
    """`Range: 0 to 1.`, or the bounds one by one if one is missing or excluded."""
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return [f"Range: {low} to {high}."]
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    bounds = ((">=", low), (">", above), ("<=", high), ("<", below))
    stated = ", ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)
    return [f"Range: {stated}."] if stated else []


def _without_empty(value: Any) -> Any:
    """A default without null or empty values."""
    if not isinstance(value, dict):
        return value
    return {key: _without_empty(part) for key, part in value.items() if part not in (None, [], {})}


def without_defaults(node: Any) -> Any:
    """The status without defaults: the controller sets only what applies."""
    if isinstance(node, list):
        return [without_defaults(part) for part in node]
    if not isinstance(node, dict):
        return node
    found = {key: without_defaults(value) for key, value in node.items() if key not in ("default", "properties")}
    if "properties" in node:
        found["properties"] = {name: without_defaults(field) for name, field in node["properties"].items()}
    return found


def limited(node: Schema) -> Schema:
    """A structural schema in which every text, list and mapping has a maximum size."""
    found = {key: limited(value) if key in ("items", "additionalProperties") else value for key, value in node.items()}
    if "properties" in node:
        found["properties"] = {name: limited(field) for name, field in node["properties"].items()}
    match node.get("type"):
        case "string" if "enum" not in node:
            found.setdefault("maxLength", MAX_CHARACTERS)
        case "array":
            found.setdefault("maxItems", MAX_ENTRIES)
        case "object" if "additionalProperties" in node:
            found.setdefault("maxProperties", MAX_KEYS)
    return found
