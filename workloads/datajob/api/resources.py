"""The parts of a spec that speak Kubernetes: container environment, volumes, worker groups, accelerators."""

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
"""A block that is handed to Kubernetes as it is (env var, volume, toleration)."""


class Head(Parameters):
    """The Ray head pod; it runs the driver, which cleans small inputs by itself."""

    cpu: Quantity = Field(default="1", description="CPU request; the driver runs here, and small inputs with it.")
    memory: Quantity = Field(default="4Gi", description="Memory request and limit.")


class WorkerGroup(Parameters):
    """A group of like worker pods between which Ray's autoscaler moves."""

    model_config = ConfigDict(json_schema_extra=cel("self.min <= self.max", "min is above max"))

    min: int = Field(default=1, ge=0, le=10_000, description="Fewest workers.")
    max: int = Field(default=1, ge=1, le=10_000, description="Most workers; above `min` Ray's autoscaler is on.")
    cpu: Quantity = Field(default="2", description="CPU request of each worker.")
    memory: Quantity = Field(default="8Gi", description="Memory request and limit of each worker.")
    node_selector: dict[str, str] = Field(default={}, description="Labels a node must have.")
    tolerations: tuple[OpenObject, ...] = Field(
        default=(), max_length=32, description="Taints that are tolerated, as in a Pod."
    )

    @model_validator(mode="after")
    def _min_not_above_max(self) -> "WorkerGroup":
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max})")
        return self


class Accelerator(WorkerGroup):
    """A worker group of its own, with accelerators; steps that run a model go there."""

    type: Literal["gpu", "npu"] = Field(description="`gpu` for NVIDIA GPUs, `npu` for Ascend NPUs.")
    per_worker: int = Field(default=1, ge=1, le=64, description="Accelerators of each worker.")
    product: str | None = Field(
        default=None,
        min_length=1,
        description="Product label a node must have, such as `NVIDIA-H100-80GB-HBM3` or `huawei-Ascend910`.",
    )
    resource: str | None = Field(
        default=None,
        min_length=1,
        description="Extended resource to ask for when it is not the default of the type, such as `nvidia.com/mig-1g.5gb`.",
    )
    cpu: Quantity = Field(default="8", description="CPU request of each worker.")
    memory: Quantity = Field(default="64Gi", description="Memory request and limit of each worker.")


class Resources(Parameters):
    """The hardware of a job on a cluster. Ignored by `datajob run`, which uses the machine it is on."""

    head: Head = Field(default=Head(), description="The Ray head pod.")
    workers: WorkerGroup = Field(default=WorkerGroup(), description="The CPU workers; cleaning runs here.")
    accelerator: Accelerator | None = Field(default=None, description="The accelerator workers; none by default.")


class Runtime(Parameters):
    """The pods of a job on a cluster. Ignored by `datajob run`."""

    image: str | None = Field(
        default=None, min_length=1, description="Workload image; by default the one the controller is set to."
    )
    image_pull_secrets: tuple[str, ...] = Field(
        default=(), max_length=16, description="Names of Secrets with registry credentials."
    )
    env: tuple[OpenObject, ...] = Field(default=(), max_length=256, description="Environment variables, as in a container.")
    env_from: tuple[OpenObject, ...] = Field(
        default=(),
        max_length=64,
        description="Secrets and ConfigMaps whose keys become environment variables, as in a container.",
    )
    service_account_name: str | None = Field(
        default=None, min_length=1, description="ServiceAccount of the pods; by default one made for the job."
    )
    volumes: tuple[OpenObject, ...] = Field(default=(), max_length=64, description="Volumes, as in a Pod.")
    volume_mounts: tuple[OpenObject, ...] = Field(
        default=(), max_length=64, description="Mounts of those volumes, as in a container."
    )
