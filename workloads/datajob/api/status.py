"""The status of a DataJob, written by the controller."""

from typing import Literal

from pydantic import Field
from pydantic.config import JsonDict

from datajob.api.report import Output, Progress, StepReport
from datajob.parameters import Parameters

ConditionType = Literal["Accepted", "Running", "Complete", "Failed", "Suspended", "Reconciling", "Stalled"]
_BY_TYPE: JsonDict = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
_TIME: JsonDict = {"format": "date-time"}
Phase = Literal["Pending", "Starting", "Running", "Suspended", "Retrying", "Complete", "Failed"]


class Condition(Parameters):
    """A Kubernetes condition."""

    type: ConditionType = Field(description="What is true or not.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it is.")
    reason: str = Field(min_length=1, max_length=1024, description="Why, in one CamelCase word.")
    message: str = Field(default="", max_length=32_768, description="Why, for people.")
    observed_generation: int | None = Field(default=None, ge=0, description="Generation of the spec this was said of.")
    last_transition_time: str = Field(description="RFC 3339 time at which `status` last changed.", json_schema_extra=_TIME)


class Attempt(Parameters):
    """One RayJob of this DataJob that ended."""

    number: int = Field(ge=1, description="1 for the first.")
    ray_job_name: str = Field(description="Its name.")
    reason: str = Field(description="How it ended, in one CamelCase word.")
    message: str = Field(default="", description="How it ended, for people, with the last lines of its log.")
    started: str | None = Field(default=None, description="RFC 3339 time.", json_schema_extra=_TIME)
    finished: str | None = Field(default=None, description="RFC 3339 time.", json_schema_extra=_TIME)


class DataJobStatus(Parameters):
    """Where a DataJob stands."""

    observed_generation: int | None = Field(default=None, ge=0, description="Generation of the spec this status speaks of.")
    phase: Phase | None = Field(default=None, description="A summary for people; the truth is in the conditions.")
    conditions: tuple[Condition, ...] = Field(default=(), description="What is true of the job.", json_schema_extra=_BY_TYPE)
    run_id: str | None = Field(
        default=None, description="Identity of the recipe this status speaks of; another recipe is another run."
    )
    attempt: int | None = Field(default=None, ge=0, description="Number of the current attempt.")
    failures: int | None = Field(default=None, ge=0, description="Failed attempts of this run, counted against `retry.limit`.")
    attempts: tuple[Attempt, ...] = Field(default=(), description="The attempts that ended, the last ten.")
    ray_job_name: str | None = Field(default=None, description="RayJob of the current attempt.")
    started: str | None = Field(default=None, description="RFC 3339 time of the first attempt.", json_schema_extra=_TIME)
    finished: str | None = Field(default=None, description="RFC 3339 time of the end.", json_schema_extra=_TIME)
    progress: Progress | None = Field(default=None, description="How far the run is.")
    steps: tuple[StepReport, ...] = Field(default=(), description="Counts per step.")
    output: Output | None = Field(default=None, description="What was written.")
