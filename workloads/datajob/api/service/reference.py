"""The reference page of ModelService, from the models."""

from datajob.api.jsonschema import resolved
from datajob.api.reference import GENERATED, joined, section, table
from datajob.api.service.model import ALTERNATIVES
from datajob.api.service.service import ModelService
from datajob.api.service.status import ModelServiceStatus


def service_page() -> str:
    """The ModelService block by block, its models and its status."""
    tree = resolved(ModelService)
    parts = [GENERATED, "# ModelService", "```yaml\napiVersion: datajob.io/v1alpha1\nkind: ModelService\n```", "## spec"]
    parts += [table(tree["properties"]["spec"]), "## spec.model", "Exactly one of these keys."]
    parts += [section(key, model, 3) for key, model in ALTERNATIVES.items()]
    parts += ["## status", "Written by the controller.", table(resolved(ModelServiceStatus))]
    return joined(parts)
