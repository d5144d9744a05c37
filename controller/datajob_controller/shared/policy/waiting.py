"""Why pods do not start: they cannot be scheduled, their image cannot be pulled, or their containers cannot be created."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from datajob.api.quantities import number
from datajob_controller.runtime.kind import is_gone
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.shared.policy.pods import (
    condition,
    container_statuses,
    group_of,
    is_being_deleted,
    name_of,
    node_of,
    unready_since,
)
from datajob_controller.shared.policy.problem import Limits, Problem
from datajob_controller.shared.settings import PodSettings
from datajob_controller.shared.text import sentence

CREATION = timedelta(seconds=20)
"""A container that is not created for this long probably waits for a volume. Then the Events of its pod state the reason."""
NOT_READY = timedelta(seconds=120)
"""A running pod that is not ready for this long is reported."""

_PULL = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError"}
_WRONG_IMAGE = re.compile(
    r"not found|manifest unknown|name unknown|unauthorized|authorization failed|denied|Forbidden|no such host"
    r"|no match for platform|ErrImageNeverPull|is not present with pull policy",
    re.IGNORECASE,
)
"""Definite answers of a registry, in contrast to a registry that does not respond."""
_BAD_SPEC = {"InvalidImageName", "CreateContainerConfigError"}
_BAD_RUNTIME = {"CreateContainerError", "RunContainerError"}
_MISSING = re.compile(r"(secret|configmap|persistentvolumeclaim)s? \"[^\"]+\" not found|non-existent (secret|config) key")
_FIX_OBJECT = "Create it, or correct spec.runtime."


def pod_problems(pods: Iterable[Manifest], settings: PodSettings, warnings: Mapping[str, str], now: datetime) -> list[Problem]:
    """The problems of the pods that still exist; `warnings` are the last warning Events of pods, by name."""
    alive = [pod for pod in pods if not is_gone(pod) and not is_being_deleted(pod)]
    return [one for pod in alive for one in _problems(pod, settings, warnings.get(name_of(pod), ""), now)]


def most_urgent(problems: Iterable[Problem]) -> Problem | None:
    """The problem that ends the attempt first."""
    return min(problems, key=lambda one: (one.fatal_at is None, one.fatal_at), default=None)


def in_creation(pods: Iterable[Manifest]) -> list[tuple[Manifest, datetime]]:
    """Pods that are scheduled and whose containers are not created, with the time from which that is suspicious."""
    return [(pod, since + CREATION) for pod in pods if not is_gone(pod) and (since := _creating_since(pod))]


def _problems(pod: Manifest, settings: PodSettings, warning: str, now: datetime) -> Iterable[Problem]:
    status, group = pod.get("status", {}), group_of(pod)
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        limits = Limits(settings, parse_time(scheduled.get("lastTransitionTime")), group)
        yield _not_scheduled(pod, str(scheduled.get("message", "")), limits)
    limits = Limits(settings, parse_time(status.get("startTime")), group)
    for container in container_statuses(pod):
        waiting = container.get("state", {}).get("waiting") or {}
        where = f"Pod {name_of(pod)}, container {container['name']}, image {container.get('image')}"
        if problem := _waiting(waiting.get("reason", ""), waiting.get("message", ""), where, limits, settings):
            yield problem
    if warning and (since := _creating_since(pod)) and now >= since + CREATION:
        yield _not_created(pod, warning, limits, settings)
    if (since := unready_since(pod)) and now >= since + NOT_READY:
        where = f"Pod {name_of(pod)} (group {group}, node {node_of(pod)})"
        message = f"{where} has been running but not ready since {since:%H:%M:%S} UTC."
        fix = f"See its log, kubectl logs {name_of(pod)} --all-containers, and check its node."
        unready = Limits(settings, since, group)
        yield unready.temporary("PodNotReady", f"{message} {fix}", settings.unresponsive_seconds)


def _waiting(reason: str, message: str, where: str, limits: Limits, settings: PodSettings) -> Problem | None:
    text = sentence(f"{where}: {reason}: {message}")
    if reason in _PULL:
        if _WRONG_IMAGE.search(f"{reason} {message}"):
            fix = "Correct the name of the image, push it, or set spec.runtime.imagePullSecrets."
            return limits.permanent("ImagePullFailed", f"{text} {fix}")
        fix = "Check that the node can reach the registry."
        return limits.temporary("ImagePullFailed", f"{text} {fix}", settings.image_pull_seconds)
    if reason in _BAD_SPEC:
        return limits.permanent(reason, f"{text} {_FIX_OBJECT}")
    if reason in _BAD_RUNTIME:
        fix = "Check the command and the mounts of the container, and the container runtime of the node."
        return limits.temporary(reason, f"{text} {fix}", settings.image_pull_seconds)
    return None


def _not_created(pod: Manifest, warning: str, limits: Limits, settings: PodSettings) -> Problem:
    where = f"The containers of pod {name_of(pod)} (group {group_of(pod)}, node {node_of(pod)}) cannot be created"
    if _MISSING.search(warning):
        return limits.permanent("VolumeUnavailable", f"{where}: {sentence(warning)} {_FIX_OBJECT}")
    fix = "Check the volumes in spec.runtime, their storage driver and the node."
    return limits.temporary("VolumeUnavailable", f"{where}: {sentence(warning)} {fix}", settings.scheduling_seconds)


def _creating_since(pod: Manifest) -> datetime | None:
    """Since when the containers of a scheduled pod are not created."""
    status = pod.get("status", {})
    if status.get("phase") != "Pending" or condition(pod, "PodScheduled").get("status") == "False":
        return None
    waiting = [(one.get("state", {}).get("waiting") or {}).get("reason") for one in container_statuses(pod)]
    creating = all(reason in ("ContainerCreating", "PodInitializing") for reason in waiting)
    return parse_time(status.get("startTime")) if creating else None


def _not_scheduled(pod: Manifest, scheduler: str, limits: Limits) -> Problem:
    if _MISSING.search(scheduler):
        return limits.permanent("VolumeUnavailable", f"Pod {name_of(pod)}: {sentence(scheduler)} {_FIX_OBJECT}")
    return limits.capacity("Unschedulable", _unschedulable(pod, scheduler))


def _unschedulable(pod: Manifest, scheduler: str) -> str:
    """The resources and labels that the pod requires, so that the missing one is named, and the scheduler's message."""
    spec = pod.get("spec", {})
    needs = [f"{_quantity(name, amount)} {name}" for name, amount in _requests(spec.get("containers", ())).items()]
    needs += [f"the node label {name}={value}" for name, value in spec.get("nodeSelector", {}).items()]
    message = (
        f"No node fits a pod of the group {group_of(pod)}, which requires {', '.join(needs)}. Scheduler: {sentence(scheduler)}"
    )
    return f"{message} Add or free nodes, or change spec.resources."


def _requests(containers: Iterable[Manifest]) -> dict[str, list[str]]:
    """The requests of all containers, by resource. A limit without a request is a request."""
    amounts: dict[str, list[str]] = {}
    for container in containers:
        resources = container.get("resources", {})
        for name, amount in {**resources.get("limits", {}), **resources.get("requests", {})}.items():
            amounts.setdefault(name, []).append(str(amount))
    return amounts


def _quantity(name: str, amounts: list[str]) -> str:
    """The sum of quantities in the form in which users write them."""
    if len(amounts) == 1:
        return amounts[0]
    total = sum(map(number, amounts))
    if name == "cpu":
        return f"{round(total * 1000)}m"
    return f"{round(total / 2**20)}Mi" if name in ("memory", "ephemeral-storage") else f"{round(total)}"
