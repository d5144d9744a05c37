"""Placement of accelerator workers, and their resources in Ray."""

import json
from dataclasses import dataclass, field

from datajob.api.resources import AcceleratorPods
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.settings import AcceleratorSettings, PodSettings


@dataclass(frozen=True)
class Placement:
    """What a worker group needs in addition to use an accelerator."""

    image: str
    limits: dict[str, str]
    node_selector: dict[str, str]
    tolerations: list[Manifest]
    ray_start_params: dict[str, str]
    env: list[Manifest] = field(default_factory=list)

    def template(self, container: str) -> Manifest:
        """As a pod template; limits and image are not part of it."""
        spec = {"nodeSelector": self.node_selector} if self.node_selector else {}
        return {"spec": {**spec, "tolerations": self.tolerations, "containers": [{"name": container, "env": self.env}]}}


def placement(accelerator: AcceleratorPods, settings: PodSettings) -> Placement:
    """The placement of the accelerator workers of a job."""
    names = settings.gpu if accelerator.type == "gpu" else settings.npu
    product = {names.product_label: accelerator.product} if accelerator.product else {}
    resource = _resource(accelerator, names)
    taint = {"key": resource, "operator": "Exists", "effect": "NoSchedule"}
    return Placement(
        image=settings.image_gpu if accelerator.type == "gpu" else settings.image_npu,
        limits={resource: str(accelerator.per_worker)},
        node_selector={**names.node_selector, **product},
        tolerations=[taint, *(one for one in names.tolerations if one != taint)],
        ray_start_params=_ray_start_params(accelerator, names),
        env=[{"name": name, "value": value} for name, value in names.env.items()],
    )


def _resource(accelerator: AcceleratorPods, names: AcceleratorSettings) -> str:
    return accelerator.resource or names.resource_by_product.get(accelerator.product or "", names.resource)


def _ray_start_params(accelerator: AcceleratorPods, names: AcceleratorSettings) -> dict[str, str]:
    if names.ray_resource == "GPU":
        return {"num-gpus": str(accelerator.per_worker)}
    # KubeRay inserts this into a shell command and its autoscaler strips the outer quotes: only this form works for both.
    return {"resources": f"'{json.dumps({names.ray_resource: accelerator.per_worker})}'"}
