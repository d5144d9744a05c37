"""The status of a DataJob, written by the controller."""

from typing import Literal

from pydantic import Field

from datajob.api.conditions import BY_TYPE, TIME, Condition
from datajob.api.report import EndpointReport, Output, PoolReport, Progress, StepReport
from datajob.parameters import Parameters

ConditionType = Literal["Accepted", "Running", "Complete", "Failed", "Suspended", "Reconciling", "Stalled", "Finished"]
Phase = Literal["Pending", "Invalid", "Starting", "Running", "Suspended", "Retrying", "Complete", "Failed"]


class Attempt(Parameters):
    """A finished attempt."""

    number: int = Field(ge=1, description="Number of the attempt, starting at 1.")
    ray_job_name: str = Field(description="Name of its RayJob.")
    reason: str = Field(description="Machine-readable reason for its end, in CamelCase.")
    message: str = Field(default="", description="Human-readable explanation with the last lines of the driver log.")
    interrupted: bool | None = Field(
        default=None,
        description="Whether a drain, a preemption, an eviction or the loss of a node interrupted the attempt. Such attempts "
        "are not failures and do not count toward `retry.limit`.",
    )
    log: str | None = Field(default=None, description="Path of the log of its driver; `datajob logs` shows it.")
    started: str | None = Field(default=None, description="Start time.", json_schema_extra=TIME)
    finished: str | None = Field(default=None, description="End time.", json_schema_extra=TIME)


class SpecDigests(Parameters):
    """Digests of the spec of a run as stored, independent of the defaults of a release."""

    run: str = Field(description="Digest of all fields that shape the pods of the run.")
    result: str = Field(description="Digest of the fields that determine its result.")
    fields: dict[str, str] = Field(default={}, description="Digest of each field, by which an edit is described.")


class DataJobStatus(Parameters):
    """The observed state of a DataJob."""

    observed_generation: int | None = Field(
        default=None, ge=-1, description="Generation of the spec that this status was computed for; -1 before the first time."
    )
    phase: Phase | None = Field(
        default=None, description="Summary of the conditions for display; programs should use the conditions."
    )
    reason: str | None = Field(
        default=None,
        description="Machine-readable reason for the phase, in CamelCase; the conditions contain the message.",
    )
    conditions: tuple[Condition[ConditionType], ...] = Field(
        default=(), description="Conditions of the job.", json_schema_extra=BY_TYPE
    )
    run_id: str | None = Field(default=None, description="Identity of the run; it changes with sources, steps, sink or image.")
    public_run_id: str | None = Field(default=None, description="Identity of the run in the files next to the output.")
    spec_digests: SpecDigests | None = Field(
        default=None, description="Digests of the spec, by which the controller recognizes edits that start a new run."
    )
    attempt: int | None = Field(default=None, ge=0, description="Number of the current attempt.")
    failures: int | None = Field(
        default=None, ge=0, description="Number of failed attempts of this run; limited by `retry.limit`."
    )
    disruptions: int | None = Field(
        default=None,
        ge=0,
        description="Number of attempts that a drain, a preemption, an eviction or the loss of a node interrupted; they are "
        "not failures.",
    )
    attempts: tuple[Attempt, ...] = Field(default=(), description="The last ten finished attempts.")
    ray_job_name: str | None = Field(default=None, description="Name of the RayJob of the current attempt.")
    log: str | None = Field(default=None, description="Path of the log of the driver; `datajob logs` shows it.")
    leftover_runs: tuple[str, ...] = Field(
        default=(), description="Names of earlier runs whose objects are deleted when the next run starts."
    )
    started: str | None = Field(default=None, description="Start time of the first attempt.", json_schema_extra=TIME)
    finished: str | None = Field(default=None, description="End time of the run.", json_schema_extra=TIME)
    progress: Progress | None = Field(default=None, description="Progress of the run.")
    steps: tuple[StepReport, ...] = Field(default=(), description="Row counts of each step.")
    pools: tuple[PoolReport, ...] = Field(
        default=(), description="Processes of the last stage that ran models, how busy they are, and what they wait for."
    )
    endpoints: tuple[EndpointReport, ...] = Field(default=(), description="Requests to endpoints of models.")
    output: Output | None = Field(default=None, description="Files that were written.")
