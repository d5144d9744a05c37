"""The Kubernetes-specific parts of a spec: container environment, volumes, worker groups, accelerators."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from datajob.parameters import Parameters, cel

_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"

Quantity = Annotated[
    str,
    BeforeValidator(lambda v: str(v) if isinstance(v, int | float) and not isinstance(v, bool) else v),
    Field(pattern=_QUANTITY),
    WithJsonSchema(
        {"anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": _QUANTITY, "x-kubernetes-int-or-string": True},
    ),
]
"""A Kubernetes resource quantity such as `500m` or `16Gi`."""

OpenObject = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""A block that is passed to Kubernetes unchanged (environment variable, volume, toleration)."""


class Head(Parameters):
    """The Ray head pod; it runs the driver, which processes small inputs itself."""

    cpu: Quantity = Field(default="1", description="CPU request.")
    memory: Quantity = Field(default="4Gi", description="Memory request and limit.")


class WorkerGroup(Parameters):
    """A group of identical worker pods."""

    model_config = ConfigDict(json_schema_extra=cel("self.min <= self.max", "min must not exceed max"))

    min: int = Field(default=1, ge=0, le=10_000, description="Minimum number of workers.")
    max: int = Field(
        default=1, ge=1, le=10_000, description="Maximum number of workers; if it exceeds `min`, Ray's autoscaler is enabled."
    )
    cpu: Quantity = Field(default="2", description="CPU request of each worker.")
    memory: Quantity = Field(default="8Gi", description="Memory request and limit of each worker.")
    node_selector: dict[str, str] = Field(default={}, description="Labels that a node must have.")
    tolerations: tuple[OpenObject, ...] = Field(default=(), max_length=32, description="Tolerations, as in a Pod.")

    @model_validator(mode="after")
    def _min_not_above_max(self) -> "WorkerGroup":
        if self.min > self.max:
            raise ValueError(f"`min` ({self.min}) must not exceed `max` ({self.max})")
        return self


class Accelerator(WorkerGroup):
    """A separate worker group with accelerators for steps that run a model."""

    type: Literal["gpu", "npu"] = Field(description="`gpu` for NVIDIA GPUs, `npu` for Ascend NPUs.")
    per_worker: int = Field(default=1, ge=1, le=64, description="Number of accelerators of each worker.")
    product: str | None = Field(
        default=None,
        min_length=1,
        description="Product label that a node must have, such as `NVIDIA-H100-80GB-HBM3` or `huawei-Ascend910`.",
    )
    resource: str | None = Field(
        default=None,
        min_length=1,
        description="Extended resource to request instead of the default of the type, such as `nvidia.com/mig-1g.5gb`.",
    )
    cpu: Quantity = Field(default="8", description="CPU request of each worker.")
    memory: Quantity = Field(default="64Gi", description="Memory request and limit of each worker.")


class Resources(Parameters):
    """Hardware of a job on a cluster. `datajob run` ignores it and uses the local machine."""

    head: Head = Field(default=Head(), description="The Ray head pod, which runs the driver.")
    workers: WorkerGroup = Field(
        default=WorkerGroup(), description="The CPU workers, which run all steps without an accelerator."
    )
    accelerator: Accelerator | None = Field(default=None, description="The accelerator workers; by default there are none.")


class Runtime(Parameters):
    """Image, environment and volumes of the pods on a cluster. `datajob run` ignores it."""

    image: str | None = Field(
        default=None, min_length=1, description="Workload image; the default is a setting of the controller."
    )
    image_pull_secrets: tuple[str, ...] = Field(
        default=(), max_length=16, description="Names of Secrets with registry credentials."
    )
    env: tuple[OpenObject, ...] = Field(default=(), max_length=256, description="Environment variables, as in a container.")
    env_from: tuple[OpenObject, ...] = Field(
        default=(),
        max_length=64,
        description="Secrets and ConfigMaps to load as environment variables, as in a container.",
    )
    service_account_name: str | None = Field(
        default=None, min_length=1, description="ServiceAccount of the pods; by default the controller creates one for the job."
    )
    volumes: tuple[OpenObject, ...] = Field(default=(), max_length=64, description="Volumes, as in a Pod.")
    volume_mounts: tuple[OpenObject, ...] = Field(default=(), max_length=64, description="Volume mounts, as in a container.")
