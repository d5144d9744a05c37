"""The DataJob object itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypedDict, Unpack

from pydantic import ConfigDict, Field, ValidationError

from datajob.api import API_GROUP, API_VERSION
from datajob.api.problems import explain, raise_errors
from datajob.api.spec import DataJobSpec
from datajob.api.status import DataJobStatus
from datajob.api.yamltext import dump
from datajob.parameters import Parameters, in_words

if TYPE_CHECKING:
    from datajob.api.resources import Resources, Runtime
    from datajob.api.spec import Errors, Rejects, Restart, Retry, Sink, Step
    from datajob.formats.base import Reader, Writer
    from datajob.formats.source import Source
    from datajob.operators.base import Operator


class Options(TypedDict, total=False):
    """Fields of a job that have defaults."""

    namespace: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    rejects: Rejects | Mapping[str, Any]
    errors: Errors | Mapping[str, Any]
    runtime: Runtime | Mapping[str, Any]
    resources: Resources | Mapping[str, Any]
    suspend: bool
    queue_name: str
    restart: Restart | Mapping[str, Any]
    retry: Retry | Mapping[str, Any]
    deadline_seconds: int
    ttl_seconds_after_finished: int


_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_NAME_WORDS = "must consist of lowercase letters, digits, hyphens and dots, and start and end with a letter or a digit"


class Metadata(Parameters):
    """Kubernetes object metadata. Fields other than these are accepted and ignored."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, in_words(_NAME, _NAME_WORDS)] = Field(
        min_length=1, max_length=253, pattern=_NAME, description="Name of the job."
    )
    namespace: str | None = Field(default=None, description="Namespace of the job.")
    labels: dict[str, str] = Field(default={}, description="Labels.")
    annotations: dict[str, str] = Field(default={}, description="Annotations.")


class DataJob(Parameters):
    """A data processing job: the sources to read, the steps to apply, the sink to write and the resources to use."""

    api_version: Literal["datajob.io/v1alpha1"] = Field(description="Always `datajob.io/v1alpha1`.")
    kind: Literal["DataJob"] = Field(description="Always `DataJob`.")
    metadata: Metadata = Field(description="Name and labels.")
    spec: DataJobSpec = Field(description="What to do.")
    status: DataJobStatus | None = Field(default=None, description="Written by the controller.")

    @classmethod
    def new(
        cls,
        name: str,
        *,
        sources: Sequence[Reader | Source],
        sink: Writer | Sink,
        steps: Sequence[Operator | Step] = (),
        **options: Unpack[Options],
    ) -> Self:
        """Build a job in Python.

        Args:
            name: Name of the job: lowercase letters, digits, `-` and `.`.
            sources: Readers of the input, from `datajob.sources`.
            sink: Writer of the result, from `datajob.sinks`.
            steps: Operators, in order: from `datajob.steps`, or instances of your own operator classes.
            options: Further fields of `metadata` and `spec`, such as `errors` and `resources`.

        Returns:
            The job.

        Raises:
            InvalidJob: A field is invalid. The message lists all problems.
        """
        fields: dict[str, Any] = dict(options)
        about = {key: fields.pop(key) for key in ("namespace", "labels", "annotations") if key in fields}
        value: dict[str, Any] = {
            "api_version": f"{API_GROUP}/{API_VERSION}",
            "kind": "DataJob",
            "metadata": {"name": name, **about},
            "spec": {"sources": sources, "steps": steps, "sink": sink, **fields},
        }
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise_errors(explain(error, cls, value))
            raise

    def to_yaml(self) -> str:
        """The job as YAML. `datajob.load` reads it as an equal job; fields that were not set are left out.

        Returns:
            One YAML document.
        """
        return dump(self.model_dump(mode="json", by_alias=True, exclude_unset=True))
