"""The spec of a DataJob: sources, steps, sink, and how to run them."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from datajob.api.resources import Resources, Runtime
from datajob.formats.registry import all_writers
from datajob.formats.source import Source
from datajob.one_of import Choice, choice
from datajob.operators.registry import all_operators
from datajob.parameters import Parameters, cel

MAX_STEPS = 64
"""Keeps the CRD's CEL rules within the API server's cost budget."""

if TYPE_CHECKING:

    class Step(Choice): ...

    class Sink(Choice): ...

else:
    Step = choice("Step", "operator", all_operators(), "One step: exactly one operator key.")
    Sink = choice("Sink", "writer", all_writers(), "Where the result goes: exactly one writer key.")

Sources = Annotated[tuple[Source, ...], Field(min_length=1, max_length=64)]


class Rejects(Parameters):
    """Where rows that steps dropped are kept, with `_step` and `_reason`."""

    path: str = Field(min_length=1, description="Folder; one subfolder per step, Parquet files.")


class Errors(Parameters):
    """What happens to a row that makes a step fail. A bad row never takes its batch with it."""

    model_config = ConfigDict(
        json_schema_extra=cel("has(self.path) == (self.policy == 'quarantine')", "path and policy: quarantine belong together")
    )

    policy: Literal["fail", "drop", "quarantine"] = Field(
        default="fail",
        description="`fail` stops the job, `drop` counts and forgets the row, `quarantine` also keeps it under `path`.",
    )
    path: str | None = Field(
        default=None,
        min_length=1,
        description="Folder for quarantined rows, with `_step` and `_error`; one subfolder per step.",
    )
    max_ratio: float = Field(
        default=1.0, ge=0, le=1, description="Largest share of all rows read that may fail before the job stops."
    )

    @model_validator(mode="after")
    def _path_with_quarantine(self) -> "Errors":
        if (self.policy == "quarantine") != (self.path is not None):
            raise ValueError("`path` and `policy: quarantine` belong together: set both or neither")
        return self


class Retry(Parameters):
    """How often a failed attempt is tried again, and after how long. Errors in the job itself are never retried."""

    limit: int = Field(default=3, ge=0, le=100, description="Most retries after the first attempt.")
    backoff_seconds: int = Field(
        default=10, ge=0, le=86_400, description="Wait before the first retry; doubles with each one, up to ten minutes."
    )


class DataJobSpec(Parameters):
    """Read these data, run these steps, write the result there, on this hardware."""

    sources: Sources = Field(description="Where rows come from; the rows of all sources together.")
    steps: tuple[Step, ...] = Field(default=(), max_length=MAX_STEPS, description="What happens to them, in order.")
    sink: Sink = Field(description="Where the result goes.")
    rejects: Rejects | None = Field(default=None, description="Where dropped rows go; by default they are only counted.")
    errors: Errors = Field(default=Errors(), description="What happens to rows that make a step fail.")
    runtime: Runtime = Field(default=Runtime(), description="The pods of the job.")
    resources: Resources = Field(default=Resources(), description="The hardware of the job.")
    suspend: bool = Field(default=False, description="True stops the job and frees its hardware; finished shards are kept.")
    queue_name: str | None = Field(default=None, min_length=1, max_length=63, description="Kueue LocalQueue.")
    retry: Retry = Field(default=Retry(), description="Retries after a failure of the platform.")
    deadline_seconds: int | None = Field(default=None, ge=1, description="Most seconds over all attempts.")
    ttl_seconds_after_finished: int | None = Field(
        default=None, ge=0, description="Delete the DataJob this long after it finished; by default it stays."
    )

    def operators(self) -> tuple[Any, ...]:
        """The parameters of each step, in order."""
        return tuple(step.chosen for step in self.steps)

    def step_names(self) -> tuple[str, ...]:
        """A unique name for each step: its key, with `-2`, `-3` for repeats."""
        names: list[str] = []
        for step in self.steps:
            seen = sum(1 for n in names if n.split("-")[0] == step.key)
            names.append(step.key if not seen else f"{step.key}-{seen + 1}")
        return tuple(names)
