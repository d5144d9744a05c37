"""What is generated from the models: the CRD, the editors' schema, the reference pages."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from datajob.api.crd import SHARED_BLOCKS, crd
from datajob.api.generate import ROOT, drift, generated, write
from datajob.api.jsonschema import datajob_tree, editor_schema, first_sentence, resolved
from datajob.api.loading import parse_object
from datajob.api.reference import operators_page, parameters, section
from datajob.api.service.crd import service_crd
from datajob.api.structural import structural
from datajob.errors import DataJobError
from datajob.formats.registry import all_readers, all_writers
from datajob.operators.registry import all_operators

FORBIDDEN = {"$ref", "anyOf", "oneOf", "title", "const", "prefixItems", "nullable", "uniqueItems", "x-exactly-one"}


DEFINITIONS = {"DataJob": crd, "ModelService": service_crd}
both_kinds = pytest.mark.parametrize("kind", DEFINITIONS)


def schema(kind: str = "DataJob") -> dict[str, Any]:
    version: dict[str, Any] = DEFINITIONS[kind]()["spec"]["versions"][0]
    root: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return root


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of a structural schema with its path."""
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}[{key}]")


def test_generated_files_are_up_to_date() -> None:
    differences = drift(ROOT)
    assert not differences, f"run `python -m datajob.api.generate`:\n{differences[:3000]}"


def test_drift_is_shown_as_a_diff_and_fails_the_check(tmp_path: Path) -> None:
    write(tmp_path)
    assert drift(tmp_path) == ""
    page = tmp_path / "docs/reference/exit-codes.md"
    page.write_text(page.read_text().replace("| 0 |", "| 7 |"))
    check = [sys.executable, "-m", "datajob.api.generate", "--check", "--root", str(tmp_path)]
    failed = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "-| 7 | Success. |\n+| 0 | Success. |" in failed.stderr


@both_kinds
def test_every_field_of_the_crd_has_one_type_and_only_keywords_of_kubernetes(kind: str) -> None:
    for path, node in nodes(schema(kind)):
        assert not FORBIDDEN & node.keys(), path
        assert "type" in node or "x-kubernetes-int-or-string" in node or "x-kubernetes-preserve-unknown-fields" in node, path


@both_kinds
def test_every_field_of_a_spec_is_described(kind: str) -> None:
    """Sources within steps are described below `sources`, and blocks that steps or groups share in the first of these."""
    within = re.compile(r"\.(steps\[items\]|resources)\..*\.(" + "|".join([*all_readers(), *SHARED_BLOCKS]) + r")(\.|\[|$)")
    spec = schema(kind)["properties"]["spec"]
    silent = [path for path, node in nodes(spec) if not path.endswith("]") and not node.get("description")]
    assert [path for path in silent if not within.search(path)] == []


@both_kinds
def test_patterns_are_valid_in_go(kind: str) -> None:
    for path, node in nodes(schema(kind)):
        assert "(?=" not in node.get("pattern", "") and "(?!" not in node.get("pattern", ""), path


def test_the_crd_keeps_within_its_size_with_five_more_operators() -> None:
    """`kubectl apply` keeps the object as JSON in an annotation of at most 262,144 bytes."""
    operators = schema()["properties"]["spec"]["properties"]["steps"]["items"]["properties"]
    mean = sum(map(json_bytes, operators.values())) / len(operators)
    assert json_bytes(crd()) + 5 * mean <= 250_000


def json_bytes(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


@both_kinds
def test_each_description_in_the_crd_is_one_short_sentence_with_the_default_and_the_range(kind: str) -> None:
    described = {path: without_facts(node["description"]) for path, node in nodes(schema(kind)) if "description" in node}
    assert [path for path, text in described.items() if len(text) > 160 or first_sentence(text) != text] == []


def without_facts(text: str) -> str:
    return re.sub(r"( Default: .*?\.)?( Range: .*\.)?$", "", text, flags=re.DOTALL)


def test_the_crd_keeps_one_sentence_of_a_description_and_the_other_files_all_of_it() -> None:
    (path, tokenizer), *_ = [(p, node) for p, node in nodes(schema()) if p.endswith(".wordCount.tokenizer")]
    assert tokenizer["description"].endswith(" Default: unicode.")
    whole = editor_schema()
    for key in ("spec", "steps", "items", "wordCount", "tokenizer"):
        whole = whole["items"] if key == "items" else whole["properties"][key]
    sentence = without_facts(tokenizer["description"])
    assert whole["description"].startswith(f"{sentence} ") and path == ".spec.steps[items].wordCount.tokenizer"
    assert whole["description"] in operators_page()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("One. Two.", "One."),
        ("On two\nlines. `b`: two.", "On two lines."),
        ("A share. 0.5 is half.", "A share."),
        ("Only one, such as v1.2 or a.b", "Only one, such as v1.2 or a.b"),
        ("A paragraph without a stop\n\n- a list. Not it.", "A paragraph without a stop"),
    ],
)
def test_the_first_sentence_ends_before_the_next(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


def test_exactly_one_is_a_rule_for_steps_sources_sink_and_the_right_side_of_a_join() -> None:
    ruled = {
        path: node["x-kubernetes-validations"][0]["message"]
        for path, node in nodes(schema()["properties"]["spec"])
        if "exists_one" in str(node.get("x-kubernetes-validations"))
    }
    expected = {
        ".sources[items]": "needs exactly one reader key",
        ".steps[items]": "needs exactly one operator key",
        ".sink": "needs exactly one writer key",
        ".steps[items].join.right": "needs exactly one reader key",
    }
    assert ruled.items() >= expected.items()


@pytest.mark.parametrize(
    ("node", "found"),
    [
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 0, "exclusiveMinimum": True}),
        ({"type": "integer", "minimum": -(2**63), "maximum": 9}, {"type": "integer", "maximum": 9, "format": "int64"}),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, {"type": "number"}),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"x-kubernetes-int-or-string": True}),
        ({"anyOf": [{"type": "object"}, {"type": "string"}]}, {"x-kubernetes-preserve-unknown-fields": True}),
        ({"const": "x", "type": "string"}, {"enum": ["x"], "type": "string"}),
        ({"type": "object", "additionalProperties": True}, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        ({"type": "array", "items": {"type": "string"}, "default": []}, {"type": "array", "items": {"type": "string"}}),
        (
            {"type": "number", "description": "A share", "default": 0.8, "minimum": 0, "maximum": 1},
            {"type": "number", "description": "A share. Default: 0.8. Range: 0 to 1.", "minimum": 0, "maximum": 1},
        ),
        (
            {"type": "boolean", "description": "Whether it is so.", "default": False},
            {"type": "boolean", "description": "Whether it is so. Default: false."},
        ),
    ],
)
def test_json_schema_becomes_structural(node: dict[str, Any], found: dict[str, Any]) -> None:
    assert structural(node) == found


@both_kinds
def test_no_field_of_a_spec_has_a_default_that_the_api_server_would_store(kind: str) -> None:
    assert [path for path, node in nodes(schema(kind)) if "default" in node] == [".status"]


def test_no_default_differs_from_the_one_that_the_first_crd_stored() -> None:
    """Stored jobs rely on it: a field that was left out means the same in every release of `v1alpha1`."""
    house = yaml.safe_load((ROOT / "tests" / "fixtures" / "upgrade" / "house" / "crd.yaml").read_text())
    stored = house["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    now = {path: node.get("default") for path, node in nodes(datajob_tree()["properties"]["spec"])}
    compared = 0
    for path, node in nodes(stored):
        if "default" in node and "properties" not in node and path in now:
            assert now[path] == node["default"], path
            compared += 1
    assert compared > 300


@both_kinds
def test_every_text_list_and_mapping_of_a_spec_has_a_maximum_size(kind: str) -> None:
    limits = {"string": ("maxLength", "enum"), "array": ("maxItems",), "object": ("maxProperties", "properties")}
    for path, node in nodes(schema(kind)["properties"]["spec"]):
        if "x-kubernetes-preserve-unknown-fields" not in node:
            expected = limits.get(node.get("type", ""), (node.get("type", "pattern"),))
            assert node.keys() & {*expected, "type" if node.get("type") in ("integer", "number", "boolean") else ""}, path


def test_rules_apply_to_absent_fields_with_their_defaults() -> None:
    spec = schema()["properties"]["spec"]["properties"]
    (rule,) = spec["resources"]["properties"]["workers"]["x-kubernetes-validations"]
    assert rule["rule"] == "(has(self.min) ? self.min : 1) <= (has(self.max) ? self.max : 1)"
    (rule,) = spec["errors"]["x-kubernetes-validations"]
    assert rule["rule"] == "has(self.path) == ((has(self.policy) ? self.policy : 'fail') == 'quarantine')"


def job(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "datajob.io/v1alpha1",
        "kind": "DataJob",
        "metadata": {"name": "a"},
        "spec": {"sources": [{"parquet": {"paths": ["in"]}}], "sink": {"parquet": {"path": "out"}}} | spec,
    }


@pytest.mark.parametrize(
    ("spec", "valid"),
    [
        ({}, True),
        ({"steps": [{"gopherQuality": {"minWords": 10}}, {"exactDedup": {}}]}, True),
        ({"rejects": None, "queueName": None}, True),
        ({"resources": {"head": {"cpu": 2, "memory": "8Gi"}}}, True),
        ({"steps": [{"gopherQuality": {"minWord": 10}}]}, False),
        ({"steps": [{"limit": {"count": 1}, "exactDedup": {}}]}, False),
        ({"steps": [{}]}, False),
        ({"steps": [{"exactDedup": None}]}, False),
        ({"errors": {"policy": "ignore"}}, False),
        ({"retry": {"limit": "3"}}, False),
    ],
)
def test_editors_accept_and_reject_what_the_models_do(spec: dict[str, Any], valid: bool) -> None:
    validator = Draft202012Validator(editor_schema())
    assert validator.is_valid(job(**spec)) == valid
    assert (parse_object(job(**spec))[0] is not None) == valid


def test_the_schema_for_editors_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(editor_schema())


def test_every_operator_and_format_has_a_section_with_all_its_parameters() -> None:
    pages = generated()
    for page, models in (("operators", all_operators()), ("formats", all_readers()), ("formats", all_writers())):
        for key, model in models.items():
            text = section(key, model, 3)
            assert text.strip() in pages[f"docs/reference/{page}.md"], key
            for name, kind, _, said in parameters(resolved(model)):
                assert f"| `{name}` | {kind} |" in text and said, f"{key}.{name}"


def test_the_list_of_operators_links_to_their_sections() -> None:
    assert "[`gopherQuality`](#gopherquality)" in operators_page()


def test_every_exit_code_is_documented() -> None:
    page = generated()["docs/reference/exit-codes.md"]
    for error in DataJobError.__subclasses__():
        assert f"| {error.exit_code} |" in page
