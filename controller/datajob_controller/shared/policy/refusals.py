"""Why the API server refuses the pods of a Ray cluster, from its message, and what to do about it.

KubeRay puts the message into the condition ReplicaFailure of the RayCluster, whose status it copies into that of a RayJob.
"""

import re

from datajob.api.quantities import number
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.runtime.types import Obstacle
from datajob_controller.shared.names import GROUPS
from datajob_controller.shared.policy.problem import Limits, Problem
from datajob_controller.shared.settings import PodSettings
from datajob_controller.shared.text import sentence

REPLICA_FAILURE = "ReplicaFailure"
"""Type of the condition of a RayCluster whose pods cannot be created."""

_QUOTA = re.compile(r"exceeded quota: (?P<name>\S+), requested: (?P<requested>[^ ]+), used: [^ ]+, limited: (?P<limited>[^ ]+)")
_NOT_PERMITTED = r"cannot create resource|attempting to grant RBAC permissions"
"""The controller itself lacks a permission, so the job is not at fault."""
_WEBHOOK_FAILED = re.compile(r"failed calling webhook")
_PERMANENT = (
    (r"violates PodSecurity", "Remove what the policy forbids from spec.runtime, for example hostPath volumes, or "
     "run the job in a namespace with a less strict label pod-security.kubernetes.io/enforce."),
    (r"serviceaccount \"[^\"]*\" not found", "Create the ServiceAccount, or correct spec.runtime.serviceAccountName."),
    (r"admission webhook \"[^\"]*\" denied|ValidatingAdmissionPolicy|denied the request|denied request",
     "Change spec.runtime or spec.resources so that the policy of the cluster allows the pods, or ask for an exemption."),
    (r"(maximum|minimum) \S+ (usage|limit|request)|max limit to request ratio|must specify (limits|requests)",
     "Change spec.resources to fit the LimitRange of the namespace: kubectl describe limitrange."),
    (r"must specify", "The ResourceQuota requires a value that the pods do not have, for example CPU limits: ask the "
     "administrator to set cpu_limits, or use a LimitRange with defaults."),
    (r"(PriorityClass|RuntimeClass)\S* .*not found|no PriorityClass", "Create the class, or correct its name in spec.runtime."),
    (r"is invalid:|Invalid value", "Correct the field that the message names, in spec.runtime or spec.resources."),
    (r"is forbidden", "Change spec.runtime or spec.resources, or the policy that forbids the pods."),
)  # fmt: skip


def refused_pods(cluster: str, status: Manifest, settings: PodSettings) -> Problem | None:
    """Why KubeRay cannot create the pods of a Ray cluster with this status, if the API server refuses them."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == REPLICA_FAILURE and condition.get("status") == "True":
            text = " ".join(str(condition.get("message", "")).split())
            group = _group(text, cluster)
            return _refusal(text, Limits(settings, parse_time(condition.get("lastTransitionTime")), group), settings)
    return None


def _group(text: str, cluster: str) -> str | None:
    """The group of the refused pod. KubeRay names pods CLUSTER-head-... and CLUSTER-GROUP-worker-..., and may cut the group."""
    found = re.search(rf"{re.escape(cluster)}-(?:(head)|([a-z]+)-worker)-", text) if cluster else None
    if not found:
        return None
    return found[1] or next((group for group in GROUPS if group.startswith(found[2])), None)


def obstacle_limit(obstacle: Obstacle, settings: PodSettings) -> int:
    """How long an object other than a pod may be refused, in seconds. A quota and permissions of the controller may change."""
    waits = obstacle.reason == "QuotaExceeded" or re.search(_NOT_PERMITTED, obstacle.message)
    return settings.scheduling_seconds if waits else settings.obstacle_seconds


def _refusal(text: str, limits: Limits, settings: PodSettings) -> Problem:
    if quota := _QUOTA.search(text):
        name = quota["name"]
        if _never_fits(quota["requested"], quota["limited"]):
            fix = f"The ResourceQuota {name} never allows this: increase it, or reduce spec.resources."
            return limits.permanent("PodsRefused", _message(text, fix))
        fix = f"The pods are created when other pods of the ResourceQuota {name} end. Otherwise, increase it."
        return limits.capacity("PodsRefused", _message(text, fix))
    if _WEBHOOK_FAILED.search(text):
        fix = "The webhook does not respond: check its Service and its pods."
        return limits.temporary("PodsRefused", _message(text, fix), settings.scheduling_seconds)
    for pattern, fix in _PERMANENT:
        if re.search(pattern, text):
            return limits.permanent("PodsRefused", _message(text, fix))
    return limits.temporary(
        "PodsRefused",
        _message(text, "KubeRay retries. If the error persists, check the policies and the admission webhooks of the cluster."),
        settings.scheduling_seconds,
    )


def _message(text: str, fix: str) -> str:
    return f"KubeRay cannot create the pods of the Ray cluster: {sentence(text)} {fix}"


def _never_fits(requested: str, limited: str) -> bool:
    """Whether a request exceeds the quota even if no other pod uses it."""
    asked, allowed = _amounts(requested), _amounts(limited)
    return any(name in allowed and amount > allowed[name] for name, amount in asked.items())


def _amounts(text: str) -> dict[str, float]:
    """`pods=1,requests.cpu=2` as numbers."""
    amounts = {}
    for part in text.rstrip(".,;)").split(","):
        name, _, quantity = part.partition("=")
        try:
            amounts[name] = number(quantity)
        except ValueError:
            continue
    return amounts
