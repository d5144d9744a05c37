"""The controller's settings: one frozen model, read from environment variables named `DATAJOB_` + the field in capitals."""

import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "DATAJOB_"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AcceleratorSettings(_Frozen):
    """How nodes and device plugins of one type of accelerator call things."""

    resource: str = Field(description="Extended resource that a device plugin advertises.")
    resource_by_product: dict[str, str] = Field(default={}, description="Extended resource where a product has another one.")
    product_label: str = Field(description="Node label that holds the product.")
    node_selector: dict[str, str] = Field(default={}, description="Labels that every node must have besides.")
    tolerations: tuple[dict[str, Any], ...] = Field(
        default=(), description="Taints that are tolerated besides one named like the resource."
    )
    ray_resource: str = Field(description="Ray's name of the resource: `GPU`, or a custom one such as `NPU`.")
    env: dict[str, str] = Field(default={}, description="Environment of such workers.")


NVIDIA = AcceleratorSettings(
    resource="nvidia.com/gpu",
    product_label="nvidia.com/gpu.product",
    tolerations=({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},),
    ray_resource="GPU",
)
ASCEND = AcceleratorSettings(
    resource="huawei.com/Ascend910",
    resource_by_product={
        "huawei-Ascend310": "huawei.com/Ascend310",
        "huawei-Ascend310P": "huawei.com/Ascend310P",
        "huawei-Ascend910": "huawei.com/Ascend910",
    },
    product_label="accelerator",
    ray_resource="NPU",
)


class Settings(_Frozen):
    """Everything that an administrator may set."""

    namespaces: tuple[str, ...] = Field(default=(), description="Namespaces to watch; none means the whole cluster.")
    pod_namespace: str = Field(default="datajob-system", description="Namespace of the controller and of its Lease.")
    pod_name: str = Field(default="controller", description="Name of this replica.")
    lease_name: str = Field(default="datajob-controller", description="Lease that the leader holds.")
    lease_seconds: int = Field(default=20, ge=3, description="A leader that is silent for this long is replaced.")
    http_port: int = Field(default=8080, ge=0, le=65535, description="Port of /metrics, /livez and /readyz; 0 picks one.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Least level that is logged.")

    image_cpu: str = Field(default="ghcr.io/datajob/workload:0.1.0", description="Workload image of head and CPU workers.")
    image_gpu: str = Field(default="ghcr.io/datajob/workload:0.1.0-gpu", description="Workload image of GPU workers.")
    image_npu: str = Field(default="ghcr.io/datajob/workload:0.1.0-npu", description="Workload image of NPU workers.")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="When images are pulled."
    )
    ray_version: str = Field(default="2.60.0", description="Ray's version in the workload images.")
    submission_mode: Literal["HTTPMode", "K8sJobMode", "SidecarMode"] = Field(
        default="HTTPMode", description="How KubeRay submits the job."
    )
    cpu_limits: bool = Field(
        default=False,
        description="Limit the CPU of a job's containers to their request, instead of memory and accelerators only.",
    )
    run_as_user: int = Field(default=1000, ge=1, description="User of the job's containers.")
    termination_grace_seconds: int = Field(default=15, ge=1, description="Time a pod has to end.")
    autoscaler_idle_seconds: int = Field(default=60, ge=1, description="An idle worker is given back after this long.")
    network_policy: bool = Field(default=True, description="Make a NetworkPolicy for each job.")
    kuberay_labels: dict[str, str] = Field(
        default={"app.kubernetes.io/name": "kuberay"}, description="Labels of the KubeRay operator's pods, in any namespace."
    )
    metrics_namespace_labels: dict[str, str] = Field(
        default={"kubernetes.io/metadata.name": "monitoring"}, description="Labels of the namespace that scrapes metrics."
    )

    gpu: AcceleratorSettings = Field(default=NVIDIA, description="NVIDIA GPUs.")
    npu: AcceleratorSettings = Field(default=ASCEND, description="Ascend NPUs.")

    image_pull_seconds: int = Field(default=300, ge=1, description="An attempt whose image cannot be pulled for so long fails.")
    scheduling_seconds: int = Field(default=3600, ge=1, description="An attempt with no node for its pods for so long fails.")
    crash_limit: int = Field(default=3, ge=1, description="An attempt fails once so many workers ended while they started.")
    max_backoff_seconds: int = Field(default=600, ge=1, description="Longest wait before a retry.")
    reconcilers: int = Field(default=16, ge=1, description="DataJobs worked on at the same time.")

    @property
    def scope(self) -> Literal["cluster", "namespaces"]:
        """Which of the two sets of roles the controller needs."""
        return "namespaces" if self.namespaces else "cluster"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Settings from the environment: text as it is, `namespaces` with commas, everything else as JSON."""
        values: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            if (text := env.get(PREFIX + name.upper())) is None:
                continue
            if name == "namespaces":
                values[name] = tuple(part.strip() for part in text.split(",") if part.strip())
            else:
                structured = field.annotation in (AcceleratorSettings, dict[str, str])
                values[name] = json.loads(text) if structured else text
        return cls(**values)
