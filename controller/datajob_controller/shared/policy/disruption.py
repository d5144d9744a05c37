"""Whether Kubernetes took a pod away for reasons outside the job: a drain, a preemption, a lost node, or node pressure.

Like the `podFailurePolicy` of a Kubernetes Job, this relies on the condition `DisruptionTarget`, and on `status.reason`. Only
Kubernetes sets them.
"""

from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.policy.pods import condition

_REASONS = frozenset(
    {"Evicted", "Preempting", "Preempted", "NodeShutdown", "Shutdown", "Terminated", "NodeLost", "NodeAffinity"}
)
"""Values of `status.reason` of pods that the kubelet or a controller ended."""
_OWN_FAULT = "exceed"
"""The messages of the kubelet about pods that exceed their own limits of local storage contain this word."""


def overflow(pod: Manifest) -> str | None:
    """The message of the kubelet about a pod that it evicted because the pod exceeded its own limit of local storage."""
    status = pod.get("status", {})
    message = str(status.get("message", ""))
    return message.strip() if status.get("reason") == "Evicted" and _OWN_FAULT in message else None


def disruption(pod: Manifest) -> str | None:
    """The reason and message of the disruption of a pod, or None if it was not disrupted."""
    status = pod.get("status", {})
    target = condition(pod, "DisruptionTarget")
    if target.get("status") == "True":
        return _described(target)
    if status.get("reason") in _REASONS and not overflow(pod):
        return _described(status)
    return None


def _described(stated: Manifest) -> str:
    return ": ".join(str(stated[key]).strip() for key in ("reason", "message") if stated.get(key))
