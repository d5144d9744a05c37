"""Generates the parts of the Helm chart that are the same elsewhere: `python -m hack.chart [--check]`.

The chart contains copies of manifests, because Helm cannot read files outside of it, and a schema of all settings of the
controller.
"""

import json
import sys
from pathlib import Path
from typing import Any

from datajob_controller.kinds import SETTINGS
from datajob_controller.runtime.settings import FromEnvironment, Settings

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm" / "datajob-operator"
COPIES = {
    "controller-role.yaml": "rbac/controller.yaml",
    "dashboard.json": "monitoring/dashboard.json",
    "pod-monitors.yaml": "monitoring/pod-monitors.yaml",
    "rules.yaml": "monitoring/rules.yaml",
    "modelservices-dashboard.json": "monitoring/modelservices-dashboard.json",
    "modelservices-rules.yaml": "monitoring/modelservices-rules.yaml",
}
OTHER_VALUES = {
    "namespaces",
    "namespace_selector",
    "pod_name",
    "pod_uid",
    "pod_namespace",
    "lease_name",
    "http_port",
    "image_cpu",
    "image_gpu",
    "image_npu",
    "image_pull_policy",
}
"""Settings that the chart sets from other values."""


def generated() -> dict[Path, str]:
    """The text of each generated file of the chart."""
    files = {CHART / "files" / name: (ROOT / "manifests" / source).read_text() for name, source in COPIES.items()}
    schema = json.loads((CHART / "values.schema.json").read_text())
    schema["properties"]["settings"] = settings_schema()
    return {**files, CHART / "values.schema.json": json.dumps(schema, indent=2) + "\n"}


def settings_schema() -> dict[str, Any]:
    """The JSON schema of the value `settings`."""
    properties: dict[str, Any] = {}
    models: tuple[type[FromEnvironment], ...] = (Settings, *SETTINGS)
    for model in models:
        schema = model.model_json_schema()
        definitions = schema.get("$defs", {})
        properties |= {
            name: _property(field, definitions) for name, field in schema["properties"].items() if name not in OTHER_VALUES
        }
    return {"type": "object", "additionalProperties": False, "properties": dict(sorted(properties.items()))}


def _property(schema: Any, definitions: dict[str, Any]) -> Any:
    """A part of a schema without references and titles. The empty text stands for null, which Helm removes from values."""
    if isinstance(schema, list):
        return [_property(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "null":
        return {"const": ""}
    if reference := schema.get("$ref"):
        schema = {**definitions[reference.rpartition("/")[2]], **{k: v for k, v in schema.items() if k != "$ref"}}
    return {
        key: {name: _property(one, definitions) for name, one in value.items()}
        if key == "properties"
        else _property(value, definitions)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def stale() -> list[Path]:
    """The generated files that are out of date. A symbolic link counts as out of date, because Helm warns about it."""
    return [p for p, text in generated().items() if p.is_symlink() or not p.exists() or p.read_text() != text]


def main() -> int:
    """Write the files; with --check, list the ones that are out of date."""
    texts = generated()
    for path in stale():
        if "--check" in sys.argv[1:]:
            print(f"{path.relative_to(ROOT)} is out of date: run make generate")
            continue
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(texts[path])
    return bool(stale())


if __name__ == "__main__":
    raise SystemExit(main())
