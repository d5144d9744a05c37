"""The status of a ModelService, written by the controller."""

from typing import Literal

from pydantic import Field

from datajob.api.conditions import BY_TYPE, TIME, Condition
from datajob.api.placement import OpenObject
from datajob.parameters import Parameters

ServiceConditionType = Literal["Accepted", "Available", "Progressing", "Reconciling", "Stalled", "Suspended"]
ServicePhase = Literal["Pending", "Invalid", "Starting", "Available", "Updating", "Stalled", "Suspended"]


class ServingModel(Parameters):
    """The model that answers requests."""

    name: str = Field(description="Name of the model on the Hugging Face Hub, or its folder.")
    revision: str | None = Field(default=None, description="Commit, tag or branch of the model, if the spec states one.")


class LastGood(Parameters):
    """The last spec whose model was loaded. It is served again if the model of a later one cannot be loaded."""

    revision: str = Field(description="Digest of the spec.")
    spec: OpenObject | None = Field(default=None, description="The spec as stored, unless it is too large.")


class FailedRevision(Parameters):
    """A spec whose model cannot be loaded."""

    revision: str = Field(description="Digest of the spec.")
    message: str = Field(default="", description="Why the model cannot be loaded.")


class ModelServiceStatus(Parameters):
    """The observed state of a ModelService."""

    observed_generation: int | None = Field(
        default=None, ge=-1, description="Generation of the spec that this status was computed for; -1 before the first time."
    )
    phase: ServicePhase | None = Field(
        default=None, description="Summary of the conditions for display; programs should use the conditions."
    )
    reason: str | None = Field(
        default=None, description="Machine-readable reason for the phase, in CamelCase; the conditions contain the message."
    )
    conditions: tuple[Condition[ServiceConditionType], ...] = Field(
        default=(), description="Conditions of the service.", json_schema_extra=BY_TYPE
    )
    url: str | None = Field(default=None, description="Base URL for clients within the cluster.")
    replicas: int | None = Field(default=None, ge=0, description="Number of replicas that should run.")
    ready_replicas: int | None = Field(default=None, ge=0, description="Number of replicas that answer requests.")
    model: ServingModel | None = Field(default=None, description="The model that answers requests.")
    revision: str | None = Field(default=None, description="Digest of the spec that is being rolled out or served.")
    failed: FailedRevision | None = Field(
        default=None, description="The current spec, if its model cannot be loaded. It is not loaded again without an edit."
    )
    last_good: LastGood | None = Field(default=None, description="The last spec whose model was loaded.")
    updated: str | None = Field(default=None, description="Time of the last change of the RayService.", json_schema_extra=TIME)
    ray_service_name: str | None = Field(default=None, description="Name of the RayService.")
    ray_cluster_name: str | None = Field(default=None, description="Name of the Ray cluster that answers requests.")
