"""Facts about a single pod of an attempt, as its metadata and status state them."""

from datetime import datetime, timedelta
from typing import Any

from datajob.api.contract import HEAD_CONTAINER, WORKER_CONTAINER
from datajob_controller.runtime.kind import is_gone
from datajob_controller.runtime.manifests import Manifest, parse_time

HEAD = "head"
AUTOSCALER_CONTAINER = "autoscaler"
"""Name of the container that KubeRay adds to the head pod of an autoscaled cluster."""
UNRESPONSIVE_AFTER = timedelta(seconds=60)
"""A pod that still exists this long after its grace period is on a node that does not respond."""


def is_head(pod: Manifest) -> bool:
    """Whether a pod is the head of its Ray cluster."""
    return bool((pod["metadata"].get("labels") or {}).get("ray.io/node-type") == HEAD)


def group_of(pod: Manifest) -> str:
    """The group that a pod belongs to: `head`, or the name of a worker group."""
    if is_head(pod):
        return HEAD
    return str((pod["metadata"].get("labels") or {}).get("ray.io/group", "workers"))


def name_of(pod: Manifest) -> str:
    """The name of a pod."""
    return str(pod["metadata"]["name"])


def node_of(pod: Manifest) -> str:
    """The node that a pod was scheduled to, for messages."""
    return str(pod.get("spec", {}).get("nodeName") or "unknown")


def condition(pod: Manifest, kind: str) -> Manifest:
    """A condition of a pod; empty if it is not set."""
    return next((one for one in pod.get("status", {}).get("conditions", ()) if one["type"] == kind), {})


def container_statuses(pod: Manifest) -> list[Manifest]:
    """The statuses of all containers of a pod, in the order in which they start."""
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def is_ready(pod: Manifest) -> bool:
    """Whether a pod takes part in the Ray cluster."""
    return not is_gone(pod) and not is_being_deleted(pod) and condition(pod, "Ready").get("status") == "True"


def unready_since(pod: Manifest) -> datetime | None:
    """Since when a pod that was running is not ready: its node does not respond, or Ray does not."""
    ready, status = condition(pod, "Ready"), pod.get("status", {})
    if status.get("phase") != "Running" or ready.get("status") != "False":
        return None
    running = (one.get("state", {}).get("running") or {} for one in status.get("containerStatuses", ()))
    times = [ready.get("lastTransitionTime"), *(state.get("startedAt") for state in running)]
    return max((moment for text in times if (moment := parse_time(text))), default=None)


def is_being_deleted(pod: Manifest) -> bool:
    """Whether the deletion of a pod was requested."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def deletion_requested(pod: Manifest) -> datetime | None:
    """When the deletion of a pod was requested. Its `deletionTimestamp` is the end of the grace period."""
    until = parse_time(pod["metadata"].get("deletionTimestamp"))
    return until - timedelta(seconds=pod["metadata"].get("deletionGracePeriodSeconds") or 0) if until else None


def is_unresponsive(pod: Manifest, now: datetime) -> bool:
    """Whether a pod should have terminated some time ago: its node does not respond."""
    deleted = parse_time(pod["metadata"].get("deletionTimestamp"))  # the end of its grace period
    return bool(deleted and now >= deleted + UNRESPONSIVE_AFTER)


def ended(pod: Manifest) -> dict[str, Any] | None:
    """How the Ray container of a pod terminated. The pods of a job never restart it."""
    return _terminated(pod, HEAD_CONTAINER) or _terminated(pod, WORKER_CONTAINER)


def autoscaler_ended(pod: Manifest) -> dict[str, Any] | None:
    """How the autoscaler of a head pod terminated. Nothing restarts it."""
    return _terminated(pod, AUTOSCALER_CONTAINER)


def has_failed(pod: Manifest) -> bool:
    """Whether the Ray container of a pod terminated, or the pod failed as a whole."""
    return ended(pod) is not None or pod.get("status", {}).get("phase") == "Failed"


def may_still_run(pod: Manifest, now: datetime) -> bool:
    """Whether a pod is a head that may still run its driver."""
    if not is_head(pod) or is_gone(pod) or ended(pod):
        return False
    if pod.get("status", {}).get("phase") in ("Failed", "Succeeded"):
        return False
    return not is_unresponsive(pod, now)


def holds_resources(pod: Manifest, now: datetime) -> bool:
    """Whether a pod still uses the resources of its node, also while it terminates."""
    return not (is_gone(pod) or has_failed(pod) or is_unresponsive(pod, now))


def _terminated(pod: Manifest, name: str) -> dict[str, Any] | None:
    for container in pod.get("status", {}).get("containerStatuses", ()):
        terminated = container.get("state", {}).get("terminated")
        if container["name"] == name and terminated:
            return dict(terminated)
    return None
