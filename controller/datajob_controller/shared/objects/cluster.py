"""The parts of a Ray cluster: its head, its worker groups, its autoscaler."""

from typing import Any

from datajob.api.placement import PodGroup
from datajob.api.quantities import number
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.objects.pods import POD_NAME, SECURITY_CONTEXT, limits
from datajob_controller.shared.objects.scratch import object_store, scratch_mounts
from datajob_controller.shared.settings import PodSettings

HEAD_GROUP = "headgroup"
"""KubeRay's name of the group of the head."""
AUTOSCALER = {"cpu": "100m", "memory": "512Mi"}
"""Requests of the autoscaler container in the head pod."""


def head_group(head: PodGroup, template: Manifest) -> Manifest:
    """The head, which runs no tasks that need a CPU."""
    return {
        "rayStartParams": {
            "dashboard-host": "0.0.0.0",  # noqa: S104 (KubeRay connects from another pod; token and NetworkPolicy protect it)
            "num-cpus": "0",
            "memory": str(int(number(head.memory))),
            **object_store(head),
        },
        "template": template,
    }


def worker_group(name: str, group: PodGroup, size: tuple[int, int], params: dict[str, str], template: Manifest) -> Manifest:
    """A group of workers; `size` is its minimum and maximum, `params` describe its accelerators to Ray."""
    return {
        "groupName": name,
        "replicas": size[0],
        "minReplicas": size[0],
        "maxReplicas": size[1],
        "rayStartParams": {
            "num-cpus": str(max(1, int(number(group.cpu)))),
            "memory": str(int(number(group.memory))),
            **object_store(group),
            **params,
        },
        "template": template,
    }


def autoscaler(head: PodGroup, settings: PodSettings) -> Manifest:
    """The fields of a cluster that enable Ray's autoscaler, a container of the head pod."""
    options: dict[str, Any] = {
        "version": "v2",
        "idleTimeoutSeconds": settings.autoscaler_idle_seconds,
        "imagePullPolicy": settings.image_pull_policy,
        "securityContext": SECURITY_CONTEXT,
        "volumeMounts": scratch_mounts(head, autoscaler=True),
        "resources": {"requests": AUTOSCALER, "limits": limits(AUTOSCALER, settings)},
    }
    if head.shares_scratch:
        options["env"] = [POD_NAME]
    return {"enableInTreeAutoscaling": True, "autoscalerOptions": options}
