"""What the pods of an attempt show: why they do not start, and whether the head is lost."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from datajob_controller.datajob.names import HEAD_CONTAINER, WORKER_CONTAINER
from datajob_controller.datajob.policy.failure import Failure, last_lines
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.kind import is_gone
from datajob_controller.runtime.manifests import Manifest, parse_time

HEAD = "head"
REPLICA_FAILURE = "ReplicaFailure"
"""Type of the condition of a RayCluster whose pods cannot be created."""
UNRESPONSIVE_AFTER = timedelta(seconds=60)
"""A pod that still exists this long after its grace period is on a node that does not respond."""

_PULL = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError"}
_BAD_SPEC = {"InvalidImageName", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


@dataclass(frozen=True)
class StartupProblem:
    """Why a pod does not start, and when the attempt counts as failed because of it."""

    reason: str
    message: str
    fatal_at: datetime | None


def is_head(pod: Manifest) -> bool:
    """Whether a pod is the head of its Ray cluster."""
    return bool(pod["metadata"].get("labels", {}).get("ray.io/node-type") == HEAD)


def startup_problem(pods: Iterable[Manifest], settings: JobSettings) -> StartupProblem | None:
    """The most urgent startup problem of the pods that still exist."""
    found = [one for pod in pods if not is_gone(pod) for one in _startup_problems(pod, settings)]
    return min(found, key=lambda one: (one.fatal_at is None, one.fatal_at), default=None)


def refused_pods(ray_job: Manifest, settings: JobSettings) -> StartupProblem | None:
    """Why KubeRay cannot create the pods of the Ray cluster, if the API server refuses them."""
    for condition in ray_job.get("status", {}).get("rayClusterStatus", {}).get("conditions", ()):
        if condition.get("type") == REPLICA_FAILURE and condition.get("status") == "True":
            fatal_at = _after(parse_time(condition.get("lastTransitionTime")), settings.scheduling_seconds)
            message = f"KubeRay cannot create the pods of the Ray cluster: {condition.get('message', '')}"
            return StartupProblem("PodsRefused", message, fatal_at)
    return None


def head_failure(pods: Iterable[Manifest]) -> Failure | None:
    """The failure of an attempt whose head pod existed and was lost: the driver was lost with it."""
    for pod in pods:
        if not is_head(pod):
            continue
        ended = _ended(pod)
        if ended and ended.get("reason") == "OOMKilled":
            return Failure(
                "OutOfMemory", f"The head pod {_name(pod)} exceeded its memory limit. Increase spec.resources.head.memory."
            )
        if pod.get("status", {}).get("phase") == "Failed" or ended:
            status = pod.get("status", {})
            log = status.get("message") or (ended or {}).get("message") or "no message"
            code = (ended or {}).get("exitCode")
            how = f" with exit code {code}" if code is not None else f" ({status.get('reason', 'unknown reason')})"
            return Failure("HeadFailed", f"The head pod {_name(pod)} terminated{how}: {last_lines(log)}")
        if is_gone(pod):
            return Failure("HeadLost", f"The head pod {_name(pod)} was deleted while the job was running.")
    return None


def worker_failure(pods: Iterable[Manifest], limit: int) -> Failure | None:
    """The failure of an attempt whose workers terminate repeatedly before the cluster is ready."""
    ended = [pod for pod in pods if not is_head(pod) and (_ended(pod) or pod.get("status", {}).get("phase") == "Failed")]
    if len(ended) < limit:
        return None
    last = _ended(ended[-1]) or {}
    if last.get("reason") == "OOMKilled":
        message = f"The worker pod {_name(ended[-1])} exceeded its memory limit during startup. Increase its memory."
        return Failure("OutOfMemory", message)
    log = last_lines(last.get("message") or ended[-1].get("status", {}).get("message") or "no message")
    code = last.get("exitCode", "unknown")
    message = f"{len(ended)} worker pods terminated during startup, the last one with exit code {code}: {log}"
    return Failure("WorkersFailed", message)


def may_still_run(pod: Manifest, now: datetime) -> bool:
    """Whether a pod is a head that may still run its driver."""
    if not is_head(pod) or is_gone(pod) or _ended(pod):
        return False
    if pod.get("status", {}).get("phase") in ("Failed", "Succeeded"):
        return False
    deleted = parse_time(pod["metadata"].get("deletionTimestamp"))
    return not (deleted and now > deleted + UNRESPONSIVE_AFTER)


def _startup_problems(pod: Manifest, settings: JobSettings) -> Iterable[StartupProblem]:
    status = pod.get("status", {})
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            fatal_at = _after(parse_time(condition.get("lastTransitionTime")), settings.scheduling_seconds)
            yield StartupProblem("Unschedulable", _unschedulable(pod, condition.get("message", "")), fatal_at)
    fatal_at = _after(parse_time(status.get("startTime")), settings.image_pull_seconds)
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        waiting = container.get("state", {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        where = f"Pod {_name(pod)}, container {container['name']}, image {container.get('image')}"
        if reason in _PULL:
            yield StartupProblem("ImagePullFailed", f"{where}: {reason}: {message}", fatal_at)
        elif reason in _BAD_SPEC:
            yield StartupProblem(reason, f"{where}: {message}", fatal_at)


def _ended(pod: Manifest) -> dict[str, Any] | None:
    """How the Ray container terminated. The pods of a job never restart it."""
    for container in pod.get("status", {}).get("containerStatuses", ()):
        terminated = container.get("state", {}).get("terminated")
        if container["name"] in (HEAD_CONTAINER, WORKER_CONTAINER) and terminated:
            return dict(terminated)
    return None


def _unschedulable(pod: Manifest, scheduler: str) -> str:
    """The resources and labels that the pod requires, so that the missing one is named, and the scheduler's message."""
    spec = pod.get("spec", {})
    limits = spec["containers"][0].get("resources", {}).get("limits", {}) if spec.get("containers") else {}
    needs = [f"{amount} {name}" for name, amount in limits.items()]
    needs += [f"the node label {name}={value}" for name, value in spec.get("nodeSelector", {}).items()]
    group = pod["metadata"].get("labels", {}).get("ray.io/group", "pods")
    return f"No node fits a pod of the group {group}, which requires {', '.join(needs)}. Scheduler: {scheduler}"


def _after(since: datetime | None, seconds: int) -> datetime | None:
    return since + timedelta(seconds=seconds) if since else None


def _name(pod: Manifest) -> str:
    return str(pod["metadata"]["name"])
