"""The Kubernetes-specific parts of a spec: container environment, volumes, worker groups, accelerators."""

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from datajob.api.placement import Labels, OpenObject, PodGroup, Quantity
from datajob.parameters import Parameters, cel


class Head(PodGroup):
    """The Ray head pod; it runs the driver, which processes small inputs itself."""

    cpu: Quantity = Field(default="1", description="CPU request.")
    memory: Quantity = Field(default="4Gi", description="Memory request and limit.")


class WorkerGroup(PodGroup):
    """A group of identical worker pods."""

    model_config = ConfigDict(json_schema_extra=cel("self.min <= self.max", "min must not exceed max"))

    min: int = Field(default=1, ge=0, le=10_000, description="Minimum number of workers.")
    max: int = Field(
        default=1, ge=1, le=10_000, description="Maximum number of workers; if it exceeds `min`, Ray's autoscaler is enabled."
    )

    @model_validator(mode="after")
    def _min_not_above_max(self) -> "WorkerGroup":
        if self.min > self.max:
            raise ValueError(f"`min` ({self.min}) must not exceed `max` ({self.max})")
        return self


class AcceleratorPods(PodGroup):
    """Pods with accelerators."""

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


class Accelerator(AcceleratorPods, WorkerGroup):
    """A separate worker group with accelerators for steps that run a model."""


class Resources(Parameters):
    """Hardware of a job on a cluster. `datajob run` ignores it and uses the local machine."""

    head: Head = Field(default=Head(), description="The Ray head pod, which runs the driver.")
    workers: WorkerGroup = Field(
        default=WorkerGroup(), description="The CPU workers, which run all steps without an accelerator."
    )
    accelerator: Accelerator | None = Field(default=None, description="The accelerator workers; by default there are none.")


class PodRuntime(Parameters):
    """Image, environment and volumes of pods."""

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


class Runtime(PodRuntime):
    """Image, environment and volumes of the pods on a cluster. `datajob run` ignores it."""

    ray_job_labels: Labels = Field(
        default={},
        description="Labels of the RayJob, for queues and gang schedulers, such as `kueue.x-k8s.io/priority-class` or "
        "`ray.io/gang-scheduling-enabled`.",
    )
    ray_job_annotations: Labels = Field(default={}, description="Annotations of the RayJob.")
