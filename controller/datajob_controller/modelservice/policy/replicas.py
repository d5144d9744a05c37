"""The pods of a service: which of them answer requests, and what prevents others from it."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from datajob_controller.modelservice.objects.access import CLUSTER, SERVES
from datajob_controller.modelservice.settings import ServiceSettings
from datajob_controller.runtime.kind import is_gone
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.policy.pods import has_failed, is_being_deleted, is_head, is_ready
from datajob_controller.shared.policy.problem import Problem
from datajob_controller.shared.policy.refusals import refused_pods
from datajob_controller.shared.policy.waiting import most_urgent, pod_problems

_LOADS = "PodNotReady"
"""A worker is not ready until its replica has loaded the model, so this is no problem of the pod."""


def of_cluster(pods: Iterable[Manifest], cluster: str) -> list[Manifest]:
    """The pods of a Ray cluster that exist."""
    return [pod for pod in pods if pod["metadata"]["labels"].get(CLUSTER) == cluster and not is_gone(pod)]


def serving(pods: Iterable[Manifest]) -> list[Manifest]:
    """The pods to which the Service sends requests."""
    return [
        pod for pod in pods if is_ready(pod) and not is_being_deleted(pod) and pod["metadata"]["labels"].get(SERVES) == "true"
    ]


def ready_replicas(pods: Iterable[Manifest]) -> int:
    """The number of replicas that answer requests."""
    return sum(not is_head(pod) for pod in serving(pods))


def running_workers(pods: Iterable[Manifest]) -> int:
    """The number of workers that run or start."""
    return sum(not (is_head(pod) or has_failed(pod) or is_being_deleted(pod)) for pod in pods)


def problem(
    pods: Iterable[Manifest], cluster: Manifest | None, settings: ServiceSettings, warnings: Mapping[str, str], now: datetime
) -> Problem | None:
    """The most urgent problem that prevents pods from running."""
    found = [one for one in pod_problems(pods, settings, warnings, now) if one.reason != _LOADS]
    if cluster is not None:
        refused = refused_pods(cluster["metadata"]["name"], cluster.get("status", {}), settings)
        found += [refused] if refused else []
    return most_urgent(found)
