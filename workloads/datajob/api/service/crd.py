"""The CustomResourceDefinition of ModelService, generated from the models like that of DataJob."""

import json

from datajob.api.crd import Names, as_yaml, definition, root
from datajob.api.jsonschema import Schema, for_editors, resolved
from datajob.api.service import KIND
from datajob.api.service.service import MAX_NAME, NAME_PATTERN, ModelService
from datajob.api.structural import structural, without_defaults

PLURAL = "modelservices"
_CONDITION = ".status.conditions[?(@.type=='{}')].{}"
_COLUMNS = (
    ("Phase", "string", ".status.phase", 0),
    ("Ready", "integer", ".status.readyReplicas", 0),
    ("Replicas", "integer", ".status.replicas", 0),
    ("Model", "string", ".status.model.name", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Reason", "string", ".status.reason", 1),
    ("Available", "string", _CONDITION.format("Available", "status"), 1),
    ("Revision", "string", ".status.model.revision", 1),
    ("URL", "string", ".status.url", 1),
    ("RayCluster", "string", ".status.rayClusterName", 1),
)
_NAME_RULE = {
    "rule": f"size(self.metadata.name) <= {MAX_NAME} && self.metadata.name.matches('{NAME_PATTERN}')",
    "message": f"the name must begin with a letter, contain only a-z, 0-9 and -, and have at most {MAX_NAME} characters",
}


def service_crd() -> Schema:
    """The whole CustomResourceDefinition as plain values."""
    tree = resolved(ModelService)
    fields = tree["properties"]
    schema = root(tree["description"], structural(fields["spec"]), structural(without_defaults(fields["status"])))
    return definition(Names(KIND, PLURAL, "ms"), {**schema, "x-kubernetes-validations": [_NAME_RULE]}, _COLUMNS)


def service_crd_yaml() -> str:
    """The CustomResourceDefinition as YAML."""
    return as_yaml(service_crd())


def service_editor_schema() -> Schema:
    """The JSON Schema that editors use for ModelServices."""
    return for_editors(KIND, resolved(ModelService))


def service_editor_schema_text() -> str:
    """That schema as JSON."""
    return json.dumps(service_editor_schema(), indent=1, ensure_ascii=False) + "\n"
