"""Kubernetes conditions, in the status of all kinds."""

from typing import Generic, Literal, TypeVar

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from datajob.parameters import Parameters

BY_TYPE: JsonDict = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
TIME: JsonDict = {"format": "date-time"}
ConditionTypes = TypeVar("ConditionTypes", bound=str)


class Condition(Parameters, Generic[ConditionTypes]):
    """A Kubernetes condition."""

    model_config = ConfigDict(json_schema_extra={"description": "A Kubernetes condition."})  # types with arguments have none

    type: ConditionTypes = Field(description="Type of the condition.")
    status: Literal["True", "False", "Unknown"] = Field(description="Status of the condition.")
    reason: str = Field(min_length=1, max_length=1024, description="Machine-readable reason in CamelCase.")
    message: str = Field(default="", max_length=32_768, description="Human-readable explanation.")
    observed_generation: int | None = Field(
        default=None, ge=0, description="Generation of the spec that the condition was set for."
    )
    last_transition_time: str = Field(description="Time at which `status` last changed.", json_schema_extra=TIME)
