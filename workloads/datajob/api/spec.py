"""The spec of a DataJob: sources, steps, sink, and how to run them."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from datajob.api.lifecycle import Lifecycle
from datajob.api.resources import Resources, Runtime
from datajob.formats.registry import all_writers
from datajob.formats.source import Source
from datajob.one_of import Choice, choice
from datajob.operators.base import Operator
from datajob.operators.registry import all_operators
from datajob.operators.user_code import reference
from datajob.parameters import Parameters, cel

MAX_STEPS = 64
"""Keeps the CEL rules of the CRD within the cost budget of the API server."""


class _OperatorChoice(Choice):
    """Accepts instances of a user's operator classes too."""

    @classmethod
    def keyed(cls, value: Parameters) -> dict[str, Any]:
        """An instance of a user's class becomes a `custom` step, which names the class."""
        if not isinstance(value, Operator) or type(value).__module__.split(".")[0] == "datajob":
            return super().keyed(value)
        return {"custom": {"operator": reference(type(value)), "params": value.model_dump(mode="json", exclude_unset=True)}}


if TYPE_CHECKING:

    class Step(Choice): ...

    class Sink(Choice): ...

else:
    Step = choice("Step", "operator", all_operators(), "A step: exactly one operator key with its parameters.", _OperatorChoice)
    Sink = choice("Sink", "writer", all_writers(), "The output: exactly one writer key with its parameters.")

Sources = Annotated[tuple[Source, ...], Field(min_length=1, max_length=64)]


class Rejects(Parameters):
    """Where to write rejected rows, with the additional columns `_step` and `_reason`."""

    path: str = Field(min_length=1, description="Folder for Parquet files; each step has its own subfolder.")


class Errors(Parameters):
    """What to do with failed rows. A failed row never affects the other rows of its batch."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            "has(self.path) == (self.policy == 'quarantine')",
            "path is required for policy: quarantine and not allowed otherwise",
        )
    )

    policy: Literal["fail", "drop", "quarantine"] = Field(
        default="fail",
        description="`fail` stops the job, `drop` counts and discards the row, `quarantine` also writes it to `path`.",
    )
    path: str | None = Field(
        default=None,
        min_length=1,
        description="Folder for quarantined rows with `_step` and `_error`; each step has its own subfolder.",
    )
    max_ratio: float = Field(
        default=1.0, ge=0, le=1, description="Maximum share of rows, read or added by steps, that may fail."
    )

    @model_validator(mode="after")
    def _path_with_quarantine(self) -> "Errors":
        if (self.policy == "quarantine") != (self.path is not None):
            raise ValueError("`path` is required for `policy: quarantine` and not allowed otherwise")
        return self


class Retry(Parameters):
    """How often and after which delay a failed attempt is retried. Errors in the job itself are never retried."""

    limit: int = Field(default=3, ge=0, le=100, description="Maximum number of retries, without those after disruptions.")
    backoff_seconds: int = Field(
        default=10,
        ge=0,
        le=86_400,
        description="Delay before the first retry, in seconds. It doubles with each retry, up to the setting "
        "`max_backoff_seconds` of the controller: ten minutes. The setting also limits this value.",
    )


class Restart(Parameters):
    """Runs the job again, in any phase: after it is complete, after it failed, or while it is running."""

    id: str = Field(
        min_length=1,
        max_length=63,
        description="Any text, such as a date. Changing it ends the current run, if there is one, and starts a new one.",
    )
    fresh: bool = Field(
        default=False,
        description="If true, the new run repeats all shards; by default, it reuses committed shards that are still valid.",
    )


class DataJobSpec(Parameters):
    """What to read, which steps to apply, where to write the result, and on which hardware."""

    sources: Sources = Field(description="Inputs; the job reads the rows of all sources.")
    steps: tuple[Step, ...] = Field(default=(), max_length=MAX_STEPS, description="Operators to apply to the rows, in order.")
    sink: Sink = Field(description="Where to write the result.")
    rejects: Rejects | None = Field(default=None, description="Where to write rejected rows; by default they are only counted.")
    errors: Errors = Field(default=Errors(), description="What to do with failed rows.")
    runtime: Runtime = Field(default=Runtime(), description="Image, environment and volumes of the pods.")
    resources: Resources = Field(default=Resources(), description="Hardware of the job.")
    suspend: Annotated[bool, Lifecycle()] = Field(
        default=False,
        description="If true, the job is stopped and its pods are deleted; committed shards are reused on resume.",
    )
    queue_name: str | None = Field(
        default=None, min_length=1, max_length=63, description="Name of the Kueue LocalQueue that admits the job."
    )
    restart: Restart | None = Field(default=None, description="Run the job again whenever this field changes.")
    retry: Annotated[Retry, Lifecycle()] = Field(default=Retry(), description="Retries after infrastructure failures.")
    deadline_seconds: Annotated[int | None, Lifecycle()] = Field(
        default=None,
        ge=1,
        description="Maximum run time in seconds across all attempts, without time in a queue; by default unlimited.",
    )
    start_deadline_seconds: Annotated[int | None, Lifecycle()] = Field(
        default=None,
        ge=1,
        description="Maximum time in seconds from the creation of an attempt, or its admission by a queue, to the start of its "
        "driver. By default, the setting of the controller: one hour.",
    )
    ttl_seconds_after_finished: Annotated[int | None, Lifecycle()] = Field(
        default=None,
        ge=0,
        description="Seconds after the end at which the DataJob is deleted. By default, the setting of the controller applies, "
        "which keeps DataJobs unless it is changed.",
    )

    def operators(self) -> tuple[Any, ...]:
        """The parameters of each step, in order."""
        return tuple(step.chosen for step in self.steps)

    def secret_variables(self) -> tuple[dict[str, Any], ...]:
        """The environment variables that steps read and that are set from Secrets, as in a container."""
        found = {name: entry for operator in self.operators() for name, entry in operator.secrets().items()}
        return tuple(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}} for name, (secret, key) in found.items()
        )

    def step_names(self) -> tuple[str, ...]:
        """A unique name for each step: its key, with `-2`, `-3` for repeats."""
        names: list[str] = []
        for step in self.steps:
            seen = sum(1 for n in names if n.split("-")[0] == step.key)
            names.append(step.key if not seen else f"{step.key}-{seen + 1}")
        return tuple(names)
