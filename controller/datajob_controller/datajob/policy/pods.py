"""What the pods of an attempt tell: why they do not start, and whether the head is gone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from datajob_controller.datajob.policy.failure import Failure, last_lines
from datajob_controller.runtime.manifests import Manifest, moment
from datajob_controller.runtime.settings import Settings

HEAD = "head"
RAY_CONTAINERS = ("ray-head", "ray-worker")
LINGERS = timedelta(seconds=60)
"""A pod that is past its grace period for so long is on a node that does not answer."""
GONE = "datajob.io/gone"
"""Annotation that the controller's memory puts on a pod that has been deleted; never written to the cluster."""

_PULL = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError"}
_BAD_SPEC = {"InvalidImageName", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


@dataclass(frozen=True)
class Trouble:
    """Why a pod does not start, since when, and from when on the attempt counts as failed."""

    reason: str
    message: str
    fatal_at: datetime | None


def is_head(pod: Manifest) -> bool:
    """Whether a pod is the head of its Ray cluster."""
    return bool(pod["metadata"].get("labels", {}).get("ray.io/node-type") == HEAD)


def trouble(pods: Iterable[Manifest], settings: Settings) -> Trouble | None:
    """The worst trouble of pods that are still there."""
    found = [one for pod in pods if GONE not in pod["metadata"].get("annotations", {}) for one in _troubles(pod, settings)]
    return min(found, key=lambda one: (one.fatal_at is None, one.fatal_at), default=None)


def head_failure(pods: Iterable[Manifest]) -> Failure | None:
    """The failure of an attempt whose head was lost after it had been there: the driver died with it."""
    for pod in pods:
        if not is_head(pod):
            continue
        ended = _ended(pod)
        if ended and ended.get("reason") == "OOMKilled":
            return Failure("OutOfMemory", f"The head pod {_name(pod)} ran out of memory: raise spec.resources.head.memory.")
        if pod.get("status", {}).get("phase") == "Failed" or ended:
            status = pod.get("status", {})
            said = status.get("message") or (ended or {}).get("message") or "no message"
            code = (ended or {}).get("exitCode")
            how = f" with exit code {code}" if code is not None else f" ({status.get('reason', 'unknown reason')})"
            return Failure("HeadFailed", f"The head pod {_name(pod)} ended{how}: {last_lines(said)}")
        if GONE in pod["metadata"].get("annotations", {}):
            return Failure("HeadLost", f"The head pod {_name(pod)} was deleted while the job ran.")
    return None


def worker_failure(pods: Iterable[Manifest], limit: int) -> Failure | None:
    """The failure of an attempt whose workers end again and again before the cluster is up."""
    ended = [pod for pod in pods if not is_head(pod) and (_ended(pod) or pod.get("status", {}).get("phase") == "Failed")]
    if len(ended) < limit:
        return None
    last = _ended(ended[-1]) or {}
    if last.get("reason") == "OOMKilled":
        return Failure("OutOfMemory", f"The worker pod {_name(ended[-1])} ran out of memory while it started.")
    said = last_lines(last.get("message") or ended[-1].get("status", {}).get("message") or "no message")
    code = last.get("exitCode", "unknown")
    return Failure("WorkersFail", f"{len(ended)} worker pods ended while they started, last with exit code {code}: {said}")


def still_there(pod: Manifest, now: datetime) -> bool:
    """Whether a head pod may still run its driver."""
    if not is_head(pod) or GONE in pod["metadata"].get("annotations", {}) or _ended(pod):
        return False
    if pod.get("status", {}).get("phase") in ("Failed", "Succeeded"):
        return False
    going = moment(pod["metadata"].get("deletionTimestamp"))
    return not (going and now > going + LINGERS)


def _troubles(pod: Manifest, settings: Settings) -> Iterable[Trouble]:
    status = pod.get("status", {})
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            since = moment(condition.get("lastTransitionTime"))
            yield Trouble(
                "Unschedulable", _unschedulable(pod, condition.get("message", "")), _after(since, settings.scheduling_seconds)
            )
    started = moment(status.get("startTime"))
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        waiting = container.get("state", {}).get("waiting") or {}
        reason, said = waiting.get("reason", ""), waiting.get("message", "")
        where = f"Pod {_name(pod)}, container {container['name']}, image {container.get('image')}"
        if reason in _PULL:
            yield Trouble("ImagePullFailed", f"{where}: {reason}: {said}", _after(started, settings.image_pull_seconds))
        elif reason in _BAD_SPEC:
            yield Trouble(reason, f"{where}: {said}", _after(started, settings.image_pull_seconds))


def _ended(pod: Manifest) -> dict[str, Any] | None:
    """How the Ray container ended; no pod of a job starts one again."""
    for container in pod.get("status", {}).get("containerStatuses", ()):
        terminated = container.get("state", {}).get("terminated")
        if container["name"] in RAY_CONTAINERS and terminated:
            return dict(terminated)
    return None


def _unschedulable(pod: Manifest, said: str) -> str:
    """What the pod needs in words, so that the missing label or resource is named, and what the scheduler said."""
    spec = pod.get("spec", {})
    limits = spec["containers"][0].get("resources", {}).get("limits", {}) if spec.get("containers") else {}
    needs = [f"{amount} {name}" for name, amount in limits.items()]
    needs += [f"a node labelled {name}={value}" for name, value in spec.get("nodeSelector", {}).items()]
    group = pod["metadata"].get("labels", {}).get("ray.io/group", "pods")
    return f"No node fits the group {group}, which needs {', '.join(needs)}. The scheduler: {said}"


def _after(since: datetime | None, seconds: int) -> datetime | None:
    return since + timedelta(seconds=seconds) if since else None


def _name(pod: Manifest) -> str:
    return str(pod["metadata"]["name"])
