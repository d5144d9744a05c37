"""The DataJob object itself."""

from typing import Literal

from pydantic import ConfigDict, Field

from datajob.api.spec import DataJobSpec
from datajob.api.status import DataJobStatus
from datajob.parameters import Parameters


class Metadata(Parameters):
    """The part of Kubernetes' object metadata that a job's author writes; the rest is accepted and ignored."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", description="Name of the job.")
    namespace: str | None = Field(default=None, description="Namespace of the job.")
    labels: dict[str, str] = Field(default={}, description="Labels.")
    annotations: dict[str, str] = Field(default={}, description="Annotations.")


class DataJob(Parameters):
    """A DataJob says: read these data, run these steps, write the result there, on this hardware."""

    api_version: Literal["datajob.io/v1alpha1"] = Field(description="Always `datajob.io/v1alpha1`.")
    kind: Literal["DataJob"] = Field(description="Always `DataJob`.")
    metadata: Metadata = Field(description="Name and labels.")
    spec: DataJobSpec = Field(description="What to do.")
    status: DataJobStatus | None = Field(default=None, description="Written by the controller.")
