"""KubeRay does not respond: it neither creates pods, nor starts the driver, nor notices its end, nor removes a RayJob."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from datajob_controller.datajob.policy.attempt import Attempt
from datajob_controller.runtime.kind import is_gone
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.shared.policy.pods import (
    condition,
    ended,
    group_of,
    has_failed,
    is_being_deleted,
    is_head,
    is_ready,
)
from datajob_controller.shared.policy.problem import Limits, Problem

NOT_RESPONDING = "KubeRayNotResponding"
RESPONDS = timedelta(seconds=60)
"""Time within which KubeRay takes its next step, or states why it cannot."""
STUCK = "KubeRay has not removed RayJob"
"""Beginning of the statement about a RayJob that is not removed."""
_CHECK = "Check that the KubeRay operator is running: kubectl get pods -A -l app.kubernetes.io/component=kuberay-operator"


def missing_step(attempt: Attempt) -> tuple[datetime, str] | None:
    """What KubeRay does next for an attempt whose driver has not started, and since when; None if something else is next."""
    name, since = attempt.ray_job["metadata"]["name"], attempt.started
    if not attempt.pods:
        return (since, f"KubeRay has not created the pods of RayJob {name} since {since:%H:%M:%S} UTC.") if since else None
    if attempt.job_status or not all(is_ready(pod) for pod in attempt.pods):
        return None
    times = [parse_time(condition(pod, "Ready").get("lastTransitionTime")) for pod in attempt.pods]
    ready = max((moment for moment in times if moment), default=None)
    if ready is None:
        return None
    network = "Its network policies and the setting kuberay_labels must allow it to connect to the head."
    return ready, f"All pods are ready since {ready:%H:%M:%S} UTC, but KubeRay has not started the driver. {network}"


def start_problem(attempt: Attempt) -> Problem | None:
    """KubeRay has not started the driver, and has not stated why."""
    step = missing_step(attempt)
    return Problem(NOT_RESPONDING, f"{step[1]} {_CHECK}") if step and attempt.now >= step[0] + RESPONDS else None


def start_due(attempt: Attempt) -> datetime | None:
    """When KubeRay should have taken the next step."""
    step = missing_step(attempt)
    return step[0] + RESPONDS if step and attempt.now < step[0] + RESPONDS else None


def run_problems(attempt: Attempt) -> Iterable[Problem]:
    """KubeRay has not noticed that the driver ended, or has not replaced the last worker of a group."""
    now, settings = attempt.now, attempt.settings
    if since := driver_ended(attempt):
        message = f"The driver ended at {since:%H:%M:%S} UTC, but KubeRay has not updated the status of the RayJob. {_CHECK}"
        if now >= since + RESPONDS:
            yield Problem(NOT_RESPONDING, message)
        return
    for group, lost in _lost_groups(attempt.pods).items():
        if now >= lost + RESPONDS:
            message = f"KubeRay has not replaced the workers of the group {group}, which ended at {lost:%H:%M:%S} UTC. {_CHECK}"
            yield Limits(settings, lost, group).temporary(NOT_RESPONDING, message, settings.start_seconds)


def run_due(attempt: Attempt) -> Iterable[datetime]:
    """When KubeRay should have taken its next step while a driver runs or after it ended."""
    if since := driver_ended(attempt):
        due = [since + RESPONDS, since + timedelta(seconds=attempt.settings.obstacle_seconds)]
    else:
        due = [lost + RESPONDS for lost in _lost_groups(attempt.pods).values()]
    return [moment for moment in due if attempt.now < moment]


def driver_ended(attempt: Attempt) -> datetime | None:
    """When the driver ended according to its last report; None if it runs."""
    report = attempt.report
    return parse_time(report.finished) if report and report.state != "running" else None


def ended_unnoticed(attempt: Attempt) -> bool:
    """Whether KubeRay has not noticed for too long that the driver ended. The last report then states the result."""
    since = driver_ended(attempt)
    return since is not None and attempt.now >= since + timedelta(seconds=attempt.settings.obstacle_seconds)


def terminating_since(ray_jobs: Iterable[Manifest]) -> tuple[str, datetime] | None:
    """The RayJob whose deletion was requested first, and when. KubeRay removes it after its pods have terminated."""
    times = ((one["metadata"]["name"], parse_time(one["metadata"].get("deletionTimestamp"))) for one in ray_jobs)
    return min(((name, since) for name, since in times if since), key=lambda found: found[1], default=None)


def stuck(ray_jobs: Iterable[Manifest], now: datetime) -> str | None:
    """A statement about a RayJob that KubeRay does not remove."""
    found = terminating_since(ray_jobs)
    if not found or now < found[1] + RESPONDS:
        return None
    return f"{STUCK} {found[0]}, which was deleted at {found[1]:%H:%M:%S} UTC, so its pods can still run. {_CHECK}"


def stuck_at(ray_jobs: Iterable[Manifest], now: datetime) -> datetime | None:
    """When a RayJob that is being deleted counts as stuck; None if none is, or if one already does."""
    found = terminating_since(ray_jobs)
    return found[1] + RESPONDS if found and now < found[1] + RESPONDS else None


def _lost_groups(pods: Iterable[Manifest]) -> dict[str, datetime]:
    """The groups without a worker, and when the last one ended. KubeRay deletes workers that ended when it replaces them."""
    there = [pod for pod in pods if not (is_head(pod) or is_gone(pod) or is_being_deleted(pod))]
    found: dict[str, datetime] = {}
    for pod in there:
        finished = parse_time((ended(pod) or {}).get("finishedAt"))
        if finished:
            found[group_of(pod)] = max(finished, found.get(group_of(pod), finished))
    alive = {group_of(pod) for pod in there if not has_failed(pod)}
    return {group: when for group, when in found.items() if group not in alive}
