"""The ModelService object itself."""

from typing import Annotated, Literal

from pydantic import Field

from datajob.api.datajob import Metadata
from datajob.api.service.spec import ModelServiceSpec
from datajob.api.service.status import ModelServiceStatus
from datajob.parameters import Parameters, in_words

MAX_NAME = 47
"""KubeRay limits the name of a RayService, which is that of its ModelService, to this number of characters."""
NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
_NAME_WORDS = "must consist of lowercase letters, digits and hyphens, start with a letter, and not end with a hyphen"
PORT = 8000
"""Port of the Service and of the replicas."""


class ServiceMetadata(Metadata):
    """Kubernetes object metadata. Fields other than these are accepted and ignored."""

    name: Annotated[str, in_words(NAME_PATTERN, _NAME_WORDS)] = Field(
        min_length=1,
        max_length=MAX_NAME,
        pattern=NAME_PATTERN,
        description="Name of the service and of the Service that clients connect to.",
    )


class ModelService(Parameters):
    """A service that answers requests in the format of OpenAI with a model: chat completions, completions or embeddings."""

    api_version: Literal["datajob.io/v1alpha1"] = Field(description="Always `datajob.io/v1alpha1`.")
    kind: Literal["ModelService"] = Field(description="Always `ModelService`.")
    metadata: ServiceMetadata = Field(description="Name and labels.")
    spec: ModelServiceSpec = Field(description="What to serve.")
    status: ModelServiceStatus | None = Field(default=None, description="Written by the controller.")

    @property
    def model_name(self) -> str:
        """The name of the model for clients."""
        return self.spec.name or self.metadata.name


def service_url(name: str, namespace: str) -> str:
    """The base URL of a service within the cluster, for clients in the format of OpenAI."""
    return f"http://{name}.{namespace}.svc:{PORT}/v1"
