"""States of pods of an attempt, as the kubelet and the scheduler write them."""

from typing import Any

from datajob_controller.runtime.manifests import Manifest, rfc3339
from tests.support.world import NOW, World, pod

NOT_FOUND = 'failed to resolve reference "x": x: not found'


def waiting(reason: str, message: str, container: str = "ray-worker") -> Manifest:
    """The status of a pod whose container waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    containers = [{"name": container, "image": "x", "state": state}]
    return {"phase": "Pending", "startTime": rfc3339(NOW), "containerStatuses": containers}


def ready(status: str = "True") -> list[Manifest]:
    """The conditions of a pod that is ready, or has not been since NOW."""
    return [{"type": "Ready", "status": status, "lastTransitionTime": rfc3339(NOW)}]


def crashed(code: int = 1, reason: str = "Error", message: str = "boom") -> Manifest:
    """The status of a worker that terminated."""
    ended = {"exitCode": code, "reason": reason, "message": message, "finishedAt": rfc3339(NOW)}
    return {"phase": "Failed", "containerStatuses": [{"name": "ray-worker", "state": {"terminated": ended}}]}


UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [{"type": "PodScheduled", "status": "False", "message": "no node", "lastTransitionTime": rfc3339(NOW)}],
}


def running(world: World, *workers: Manifest) -> str:
    """Let the driver run with a head that is ready and these workers."""
    world.set_running()
    world.pods = [pod(world.status["rayJobName"], name="head", phase="Running", conditions=ready()), *workers]
    return str(world.status["rayJobName"])


def disrupted(**more: Any) -> Manifest:
    """The status of a pod that a drain ended."""
    target = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drain"}
    return {"phase": "Failed", "conditions": [target], **more}
