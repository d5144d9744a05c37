"""The CustomResourceDefinition of DataJob, and what the definitions of all kinds have in common, generated from the models."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import yaml

from datajob.api import API_GROUP, API_VERSION
from datajob.api.jsonschema import Schema, datajob_tree
from datajob.api.structural import limited, structural, without_defaults

SHARED_BLOCKS = {"actors", "endpoint", "scratch", "tolerations", "topologySpreadConstraints"}
"""Blocks with the same fields in several steps or groups."""


class Names(NamedTuple):
    """The names of a kind."""

    kind: str
    plural: str
    short: str


Column = tuple[str, str, str, int]
"""Title, type, path and priority of a column of `kubectl get`; 1 is shown with `-o wide`."""


def crd() -> Schema:
    """The whole CustomResourceDefinition of DataJob as plain values."""
    tree = datajob_tree()
    spec = _described_once(structural(tree["properties"]["spec"]))
    schema = root(tree["description"], spec, structural(without_defaults(tree["properties"]["status"])))
    return definition(Names("DataJob", "datajobs", "dj"), schema, _COLUMNS)


def definition(names: Names, schema: Schema, columns: Iterable[Column]) -> Schema:
    """The CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.plural}.{API_GROUP}", "labels": {"app.kubernetes.io/part-of": "datajob-operator"}},
        "spec": {
            "group": API_GROUP,
            "names": {
                "kind": names.kind,
                "listKind": f"{names.kind}List",
                "plural": names.plural,
                "singular": names.kind.lower(),
                "shortNames": [names.short],
                "categories": ["datajob"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": API_VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path} | ({"priority": priority} if priority else {})
                        for name, kind, path, priority in columns
                    ],
                }
            ],
        },
    }


def crd_yaml() -> str:
    """The CustomResourceDefinition of DataJob as YAML."""
    return as_yaml(crd())


def as_yaml(value: Schema) -> str:
    """A definition as YAML."""
    return yaml.dump(value, Dumper=_PlainDumper, sort_keys=False, width=120, allow_unicode=True)


class _PlainDumper(yaml.SafeDumper):
    """Writes equal parts twice instead of as anchors and aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_COLUMNS: tuple[Column, ...] = (
    ("Phase", "string", ".status.phase", 0),
    ("Progress", "integer", ".status.progress.percent", 0),
    ("Rows", "integer", ".status.progress.rowsOut", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Reason", "string", ".status.reason", 1),
    ("Read", "integer", ".status.progress.rowsIn", 1),
    ("Rejected", "integer", ".status.progress.rowsRejected", 1),
    ("Failed", "integer", ".status.progress.rowsFailed", 1),
    ("ETA", "integer", ".status.progress.etaSeconds", 1),
    ("Attempt", "integer", ".status.attempt", 1),
    ("RayJob", "string", ".status.rayJobName", 1),
)

UNOBSERVED = {"observedGeneration": -1}
"""The status of an object that no controller has observed. Without it, kstatus would regard the object as ready."""


def root(description: str, spec: Schema, status: Schema) -> Schema:
    """The schema of an object with a structural spec and status."""
    plain = {"type": "string"}
    return {
        "type": "object",
        "description": description,
        "required": ["metadata", "spec"],
        "properties": {
            "apiVersion": plain,
            "kind": plain,
            "metadata": {"type": "object"},
            "spec": limited(spec),
            "status": {**status, "default": UNOBSERVED},
        },
    }


def _described_once(spec: Schema) -> Schema:
    """The spec without what it already contains.

    Sources within steps, such as the right side of `join`, have open parameters, which the controller and `datajob validate`
    check. Blocks that several steps or groups share are only described in the first one.
    """
    formats = spec["properties"]["sources"]["items"]["properties"].keys()

    described: set[str] = set()

    def shortened(node: Any, name: str = "") -> Any:
        if not isinstance(node, dict):
            return node
        inner = node.get("properties", {})
        if inner.keys() == formats:
            opened = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            node = {**node, "properties": dict.fromkeys(inner, opened)}
        if name in described:
            node = {"description": node["description"], **_undescribed(node)}
        described.update({name} & SHARED_BLOCKS)
        return {key: shortened(value, key) for key, value in node.items()}

    fields = spec["properties"]
    return {**spec, "properties": {**fields, **{name: shortened(fields[name]) for name in ("steps", "resources")}}}


def _undescribed(node: Any) -> Any:
    """A schema without descriptions."""
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _undescribed(field) for name, field in value.items()} if key == "properties" else _undescribed(value)
        for key, value in node.items()
        if key != "description" or not isinstance(value, str)
    }
