"""Pods that ended while an attempt needed them: a lost head, an autoscaler that ended, workers that terminate repeatedly."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from datajob.api.contract import OUT_OF_MEMORY
from datajob_controller.datajob.policy.failure import Failure, last_lines
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.kind import is_gone
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.shared.names import SHM_VOLUME
from datajob_controller.shared.policy.disruption import disruption, overflow
from datajob_controller.shared.policy.pods import (
    HEAD,
    autoscaler_ended,
    deletion_requested,
    ended,
    group_of,
    has_failed,
    is_being_deleted,
    is_head,
    is_ready,
    is_unresponsive,
    name_of,
    node_of,
    unready_since,
)

OOM_KILLED = "OOMKilled"
SCRATCH_EXCEEDED = "ScratchExceeded"
BY_SIGNAL = (137, 143)
"""Exit codes of a container that was stopped because its pod was deleted."""
NOT_EXECUTABLE = (126, 127)
"""Exit codes of a shell that cannot run a command: the image does not contain Ray."""
CRASH_WINDOW = timedelta(minutes=10)
"""Workers that terminated within this time count as a crash loop."""


def head_failure(pods: Iterable[Manifest]) -> Failure | None:
    """The failure of an attempt whose head pod existed and was lost: the driver was lost with it."""
    return next((failure for pod in pods if is_head(pod) and (failure := _lost_head(pod))), None)


def _lost_head(pod: Manifest) -> Failure | None:
    where, terminated = _head(pod), ended(pod)
    if terminated and terminated.get("reason") == OOM_KILLED:
        return Failure("OutOfMemory", f"{where} exceeded its memory limit. Increase spec.resources.head.memory.")
    if not has_failed(pod) and not is_gone(pod):
        return None
    if why := disruption(pod):
        return _disrupted(f"{where} was interrupted", why)
    if full := overflow(pod):
        return Failure(SCRATCH_EXCEEDED, f"{where} was evicted: {full} {_larger_volume(full, HEAD)}")
    if terminated and _cannot_run(terminated):
        return Failure("InvalidImage", f"{where} cannot run Ray: {_last_output(pod)} {_FIX_IMAGE}", retried=False)
    if is_gone(pod) or (is_being_deleted(pod) and (terminated or {}).get("exitCode") in BY_SIGNAL):
        return Failure("HeadLost", f"{where} was deleted while the job was running.")
    return Failure("HeadFailed", f"{where} terminated {_how(pod)}: {_last_output(pod)}")


def disrupted_head(pods: Iterable[Manifest]) -> Failure | None:
    """The failure of an attempt whose head was disrupted, also if it has not terminated yet."""
    found = ((pod, disruption(pod)) for pod in pods if is_head(pod))
    return next((_disrupted(f"{_head(pod)} was interrupted", why) for pod, why in found if why), None)


def unresponsive_head(pods: Iterable[Manifest], now: datetime, settings: JobSettings) -> Failure | None:
    """The failure of an attempt whose head still exists, but whose node does not respond."""
    for pod in pods:
        if not is_head(pod) or is_gone(pod):
            continue
        if is_unresponsive(pod, now):
            where = f"{_head(pod)} was deleted but has not terminated: its node does not respond"
            why = disruption(pod)
            return _disrupted(where, why) if why else Failure("HeadLost", f"{where}.")
        since = unready_since(pod)
        if since and now >= since + timedelta(seconds=settings.unresponsive_seconds):
            check = f"Check the node: kubectl describe node {node_of(pod)}"
            return Failure("HeadLost", f"{_head(pod)} has not been ready for {settings.unresponsive_seconds} s. {check}")
    return None


def _head(pod: Manifest) -> str:
    return f"The head pod {name_of(pod)} on node {node_of(pod)}"


def _disrupted(where: str, why: str) -> Failure:
    return Failure("Disrupted", f"{where} ({why}).", disruption=True)


def counted_interruption(failure: Failure, settings: JobSettings) -> Failure:
    """An interruption that counts as a failure, because there were too many of them."""
    why = f"Kubernetes interrupted the run more than {settings.max_disruptions} times, so this counts toward spec.retry.limit."
    return replace(failure, message=f"{failure.message} {why}", disruption=False)


def autoscaler_failure(pods: Iterable[Manifest]) -> Failure | None:
    """The failure of an attempt whose autoscaler ended: no worker could be added anymore."""
    for pod in pods:
        terminated = autoscaler_ended(pod)
        if is_head(pod) and terminated and not (is_gone(pod) or is_being_deleted(pod)):
            log = last_lines(terminated.get("message") or "") or "no message"
            code = terminated.get("exitCode", "unknown")
            message = (
                f"The autoscaler in the head pod {name_of(pod)} terminated with exit code {code}. Check that the pod can reach "
                f"the API server. Last output: {log}"
            )
            return Failure("AutoscalerFailed", message)
    return None


def worker_failure(pods: Sequence[Manifest], limit: int, now: datetime) -> Failure | None:
    """The failure of an attempt whose workers of one group terminate repeatedly, more of them than are ready."""
    crashed = [pod for pod in crashed_workers(pods) if _recent(pod, now)]
    for group in sorted({group_of(pod) for pod in crashed}):
        of_group = [pod for pod in crashed if group_of(pod) == group]
        ready = sum(not is_head(pod) and group_of(pod) == group and is_ready(pod) for pod in pods)
        if len(of_group) >= max(limit, ready + 1):
            return _crash_loop(of_group, group)
    return None


def crashed_workers(pods: Iterable[Manifest]) -> list[Manifest]:
    """The workers that terminated by themselves, the last one at the end."""
    crashed = [pod for pod in pods if not is_head(pod) and has_failed(pod) and not disruption(pod) and not _was_stopped(pod)]
    return sorted(crashed, key=lambda pod: str((ended(pod) or {}).get("finishedAt") or ""))


def described_crashes(pods: Iterable[Manifest]) -> str:
    """Which workers terminated, and how; empty if none did."""
    return "\n".join(
        f"Worker pod {name_of(pod)} (group {group_of(pod)}, node {node_of(pod)}) terminated {_how(pod)}."
        for pod in crashed_workers(pods)
    )


def worker_died(failure: Failure, pods: Sequence[Manifest]) -> Failure:
    """The failure of a driver whose workers died, with what their pods state: memory or a volume can be the cause."""
    crashed = crashed_workers(pods)
    killed = any((ended(pod) or {}).get("reason") == OOM_KILLED for pod in crashed)
    full = next((_larger_volume(why, group_of(pod)) for pod in reversed(crashed) if (why := overflow(pod))), "")
    reason = SCRATCH_EXCEEDED if full else failure.reason
    if killed or failure.message.startswith(OUT_OF_MEMORY):
        reason = "OutOfMemory"
    parts = (failure.message, described_crashes(pods), full)
    return replace(failure, reason=reason, message="\n".join(filter(None, parts)))


def _larger_volume(message: str, group: str) -> str:
    """What to do about a volume that is full, from the message of the kubelet."""
    field = "sharedMemory" if SHM_VOLUME in message else "scratch.size" if "EmptyDir" in message else "ephemeralStorage"
    return f"Increase spec.resources.{group}.{field}, or write less to it."


def _crash_loop(crashed: Sequence[Manifest], group: str) -> Failure:
    last = crashed[-1]
    terminated = ended(last) or {}
    many = f"{len(crashed)} workers of the group {group} terminated, the last one, {name_of(last)} on node {node_of(last)},"
    if terminated.get("reason") == OOM_KILLED:
        field = "accelerator" if group == "accelerator" else "workers"
        return Failure("OutOfMemory", f"{many} because it exceeded its memory limit. Increase spec.resources.{field}.memory.")
    if full := overflow(last):
        return Failure(SCRATCH_EXCEEDED, f"{many} because it was evicted: {full} {_larger_volume(full, group)}")
    if _cannot_run(terminated):
        return Failure("InvalidImage", f"{many} because it cannot run Ray: {_last_output(last)} {_FIX_IMAGE}", retried=False)
    return Failure("WorkersFailed", f"{many} {_how(last)}: {_last_output(last)}")


def _was_stopped(pod: Manifest) -> bool:
    """Whether a worker terminated because it was deleted, for example by the autoscaler, and not the other way round."""
    requested, finished = deletion_requested(pod), parse_time((ended(pod) or {}).get("finishedAt"))
    if requested is None or finished is None or finished < requested:
        return False
    return finished > requested or (ended(pod) or {}).get("exitCode") in (0, *BY_SIGNAL)


def _recent(pod: Manifest, now: datetime) -> bool:
    finished = parse_time((ended(pod) or {}).get("finishedAt"))
    return finished is None or now - finished <= CRASH_WINDOW


_FIX_IMAGE = "Use an image that is based on the workload image."


def _cannot_run(terminated: Manifest) -> bool:
    """Whether the command of a container could not be executed at all."""
    return terminated.get("exitCode") in NOT_EXECUTABLE or terminated.get("reason") in ("StartError", "ContainerCannotRun")


def _how(pod: Manifest) -> str:
    if full := overflow(pod):
        return f"because it was evicted: {full.rstrip('.')}"
    terminated = ended(pod)
    if not terminated:
        return f"({pod.get('status', {}).get('reason') or 'unknown reason'})"
    reason = terminated.get("reason")
    return f"with exit code {terminated.get('exitCode', 'unknown')}" + (f" ({reason})" if reason == OOM_KILLED else "")


def _last_output(pod: Manifest) -> str:
    message = (ended(pod) or {}).get("message") or pod.get("status", {}).get("message")
    return last_lines(str(message or "")) or "no message"
