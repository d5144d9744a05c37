"""Settings of the pods of all kinds: images, scheduling, accelerators, limits."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from datajob.api.contract import HEAD_CONTAINER, RAY_CONTAINERS, WORKER_CONTAINER
from datajob.api.pod_template import template_problems
from datajob_controller.runtime.settings import FromEnvironment, Frozen


class AcceleratorSettings(Frozen):
    """The names that device plugins and node labels of the cluster use for one type of accelerator."""

    resource: str = Field(description="Extended resource that the device plugin advertises.")
    resource_by_product: dict[str, str] = Field(
        default={}, description="Extended resources of products that do not use the default one."
    )
    product_label: str = Field(description="Node label that contains the product name.")
    node_selector: dict[str, str] = Field(default={}, description="Additional labels that every node must have.")
    tolerations: tuple[dict[str, Any], ...] = Field(
        default=(), description="Tolerations in addition to the one for a taint whose key is the name of the resource."
    )
    ray_resource: str = Field(description="Name of the resource in Ray: `GPU`, or a custom resource such as `NPU`.")
    env: dict[str, str] = Field(default={}, description="Environment variables of the workers.")


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


class PodTemplates(Frozen):
    """Templates of the pods of all jobs and services. They can replace everything in them with the fields of its groups."""

    all: dict[str, Any] = Field(default={}, description="For all pods, whose Ray container is `ray-head` or `ray-worker`.")
    head: dict[str, Any] = Field(default={}, description="For head pods.")
    workers: dict[str, Any] = Field(default={}, description="For CPU workers.")
    gpu: dict[str, Any] = Field(default={}, description="For GPU workers.")
    npu: dict[str, Any] = Field(default={}, description="For NPU workers.")

    @model_validator(mode="after")
    def _valid(self) -> Self:
        found = [
            problem for name in RAY_CONTAINERS for problem in template_problems(self.of_all(name), ("all",), name, trusted=True)
        ]
        for group in ("head", "workers", "gpu", "npu"):
            container = HEAD_CONTAINER if group == "head" else WORKER_CONTAINER
            found += template_problems(getattr(self, group), (group,), container, trusted=True)
        if found:
            raise ValueError("; ".join(dict.fromkeys(map(str, found))))
        return self

    def of_all(self, container: str) -> dict[str, Any]:
        """The template for all pods, for pods whose Ray container has this name."""
        spec = self.all.get("spec")
        if not isinstance(spec, dict) or not isinstance(spec.get("containers"), list):
            return self.all
        others = [name for name in RAY_CONTAINERS if name != container]
        containers = [one for one in spec["containers"] if not (isinstance(one, dict) and one.get("name") in others)]
        return {**self.all, "spec": {**spec, "containers": containers}}


class PodSettings(FromEnvironment):
    """Everything that an administrator can set for pods."""

    image_cpu: str = Field(default="ghcr.io/datajob/workload:0.1.0", description="Workload image of head pods and CPU workers.")
    image_gpu: str = Field(default="ghcr.io/datajob/workload:0.1.0-gpu", description="Workload image of GPU workers.")
    image_npu: str = Field(default="ghcr.io/datajob/workload:0.1.0-npu", description="Workload image of NPU workers.")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="Image pull policy of the pods of jobs."
    )
    ray_version: str = Field(default="2.60.0", description="Ray version of the workload images.")
    cpu_limits: bool = Field(
        default=False,
        description="Set CPU limits equal to the requests. By default, only memory and accelerators are limited.",
    )
    run_as_user: int | None = Field(
        default=1000,
        ge=1,
        description="User and group ID of the containers. Empty: the cluster or the image chooses it, as on OpenShift.",
    )
    termination_grace_seconds: int = Field(
        default=15, ge=1, description="Grace period for the termination of pods, in seconds."
    )
    autoscaler_idle_seconds: int = Field(
        default=60, ge=1, description="Seconds after which the autoscaler removes an idle worker."
    )
    network_policy: bool = Field(
        default=True, description="Create a NetworkPolicy for each job and, with the chart, for the controller."
    )
    kuberay_labels: dict[str, str] = Field(
        default={"app.kubernetes.io/component": "kuberay-operator"},
        min_length=1,
        description="Labels of the pods of the KubeRay operator. No other pod may have them.",
    )
    kuberay_namespace_labels: dict[str, str] = Field(
        default={}, description="Labels of the namespace of the KubeRay operator; by default, it can run in any namespace."
    )
    metrics_namespace_labels: dict[str, str] = Field(
        default={"kubernetes.io/metadata.name": "monitoring"},
        description="Labels of the namespaces that may scrape metrics from the pods of jobs and from the controller.",
    )
    gpu: AcceleratorSettings = Field(default=NVIDIA, description="NVIDIA GPUs.")
    npu: AcceleratorSettings = Field(default=ASCEND, description="Ascend NPUs.")
    pod_templates: PodTemplates = Field(
        default=PodTemplates(), description="Templates of the pods of all jobs: `all`, `head`, `workers`, `gpu`, `npu`."
    )
    obstacle_seconds: int = Field(
        default=300,
        ge=1,
        description="Seconds after which a job fails, without a retry, because of an obstacle that only a user can remove, "
        "such as a missing Secret or image.",
    )
    image_pull_seconds: int = Field(
        default=300,
        ge=1,
        description="Seconds after which an attempt fails because the registry of an image does not respond, or the "
        "node cannot create a container.",
    )
    scheduling_seconds: int = Field(
        default=3600,
        ge=1,
        description="Seconds after which a job fails, without a retry, because its pods cannot be scheduled or a quota is in "
        "use, and after which an attempt fails because a volume or an admission webhook does not respond.",
    )
    unresponsive_seconds: int = Field(
        default=600,
        ge=1,
        description="Seconds after which an attempt fails because its head pod, or the only worker of a group, is not ready.",
    )
    start_seconds: int = Field(
        default=3600,
        ge=1,
        description="Seconds after which an attempt fails because its driver has not started. "
        "`startDeadlineSeconds` of a job overrides this setting.",
    )
