"""JSON Schema of a DataJob, from the models: one resolved tree for the CRD, the editors' schema and the pages."""

import re
from copy import deepcopy
from typing import Any

from datajob.api.datajob import DataJob
from datajob.one_of import EXACTLY_ONE
from datajob.parameters import Parameters

Schema = dict[str, Any]


def resolved(model: type[Parameters]) -> Schema:
    """The schema of `model` without `$ref` and titles; a field that can be null has `nullable: true`."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    tree: Schema = _resolve(schema, definitions)
    return tree


def _resolve(node: Any, definitions: Schema) -> Any:
    if isinstance(node, list):
        return [_resolve(part, definitions) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        node = target | {key: value for key, value in node.items() if key != "$ref"}
    found = {key: _resolve(value, definitions) for key, value in node.items() if key not in ("title", "properties", "default")}
    if "properties" in node:
        found["properties"] = {name: _resolve(field, definitions) for name, field in node["properties"].items()}
    if "default" in node:
        found["default"] = deepcopy(node["default"])
    if "description" in found:
        found["description"] = reflow(found["description"])
    return _without_null(_fixed_tuple(found))


def _without_null(node: Schema) -> Schema:
    """`anyOf: [X, null]` -> X with `nullable`."""
    branches = node.get("anyOf")
    if branches is None or {"type": "null"} not in branches:
        return node
    rest = [branch for branch in branches if branch != {"type": "null"}]
    found = {key: value for key, value in node.items() if key != "anyOf"} | {"nullable": True}
    if found.get("default", ...) is None:
        del found["default"]
    return rest[0] | found if len(rest) == 1 else found | {"anyOf": rest}


def _fixed_tuple(node: Schema) -> Schema:
    """A tuple of a fixed length and one type is an array with bounds."""
    if "prefixItems" not in node:
        return node
    first, *others = node["prefixItems"]
    items = first if all(other == first for other in others) else {"anyOf": node["prefixItems"]}
    return {key: value for key, value in node.items() if key != "prefixItems"} | {"items": items}


def reflow(text: str) -> str:
    """The text of a docstring with one line per paragraph; lists and code keep their lines."""
    paragraphs = [part.strip("\n") for part in text.split("\n\n")]
    return "\n\n".join(part if _is_laid_out(part) else " ".join(part.split()) for part in paragraphs)


def first_sentence(text: str) -> str:
    """The first sentence of a description: what the CRD keeps of it. The reference and the editors' schema have it all."""
    paragraph = reflow(text).split("\n\n")[0]
    return re.split(r"(?<=[.!?])\s+(?=[A-Z0-9`\"])", paragraph, maxsplit=1)[0]


def _is_laid_out(paragraph: str) -> bool:
    return any(line.startswith((" ", "- ", "* ", "|", "```")) for line in paragraph.splitlines())


def datajob_tree() -> Schema:
    """The resolved schema of a DataJob."""
    return resolved(DataJob)


def editor_schema() -> Schema:
    """The JSON Schema (draft 2020-12) that editors use for DataJobs: completion, documentation and validation."""
    return for_editors("DataJob", datajob_tree())


def for_editors(kind: str, schema: Schema) -> Schema:
    """The JSON Schema of a kind from its resolved schema."""
    tree = _for_editors(schema)
    assert isinstance(tree, dict)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:datajob.io:v1alpha1:{kind}",
        "title": kind,
        **tree,
    }


def _for_editors(node: Any) -> Any:
    if isinstance(node, list):
        return [_for_editors(part) for part in node]
    if not isinstance(node, dict):
        return node
    hidden = ("nullable", "properties", "default", EXACTLY_ONE)
    found = {k: _for_editors(v) for k, v in node.items() if k not in hidden and not k.startswith("x-kubernetes")}
    if "properties" in node:
        found["properties"] = {name: _for_editors(field) for name, field in node["properties"].items()}
    if "default" in node:
        found["default"] = node["default"]
    if EXACTLY_ONE in node:
        found |= {"minProperties": 1, "maxProperties": 1}
    if node.get("nullable"):
        found = _or_null(found)
    return found


def _or_null(node: Schema) -> Schema:
    if "anyOf" in node:
        return node | {"anyOf": [*node["anyOf"], {"type": "null"}]}
    if "enum" in node:
        node = node | {"enum": [*node["enum"], None]}
    return node | {"type": [node["type"], "null"]} if "type" in node else node
