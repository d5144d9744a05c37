"""Whether a live attempt can continue: what has failed, what it waits for, and until when."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from datajob.api.contract import LABEL_UID
from datajob_controller.datajob.policy.attempt import Assessment, Attempt
from datajob_controller.datajob.policy.deadline import start_deadline
from datajob_controller.datajob.policy.failure import Failure
from datajob_controller.datajob.policy.kuberay import run_due, run_problems, start_due, start_problem
from datajob_controller.datajob.policy.losses import autoscaler_failure, unresponsive_head, worker_failure
from datajob_controller.runtime.kind import is_gone
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.policy.pods import group_of, is_head, is_ready, unready_since
from datajob_controller.shared.policy.problem import Problem
from datajob_controller.shared.policy.refusals import refused_pods
from datajob_controller.shared.policy.waiting import in_creation, most_urgent, pod_problems

RECHECK = timedelta(seconds=30)
"""Interval for checks that no event triggers."""


def assess_start(attempt: Attempt) -> Assessment:
    """An attempt whose driver has not started. It never waits forever."""
    now = attempt.now
    failure = unresponsive_head(attempt.pods, now, attempt.settings) or worker_failure(
        attempt.pods, attempt.settings.crash_limit, now
    )
    if failure:
        return Assessment(failure)
    why = most_urgent(_problems(attempt) or filter(None, [start_problem(attempt)]))
    until = start_deadline(attempt.ray_job, attempt.start_seconds, queued=attempt.queued)
    if why and ((why.fatal_at and now >= why.fatal_at) or (until and now >= until)):
        return Assessment(Failure(why.reason, why.message, why.retried))
    if until and now >= until:
        return Assessment(_start_timeout(attempt))
    soon = why.fatal_at if why else start_due(attempt)
    return Assessment(None, why, earliest(soon, until, *_head_rechecks(attempt), *_rechecks(attempt)))


def assess_run(attempt: Attempt) -> Assessment:
    """An attempt whose driver runs. A problem of workers ends it only if their group has no worker that is ready."""
    pods, now = attempt.pods, attempt.now
    failure = (
        unresponsive_head(pods, now, attempt.settings)
        or autoscaler_failure(pods)
        or worker_failure(pods, 2 * attempt.settings.crash_limit, now)
    )
    if failure:
        return Assessment(failure)
    problems = _problems(attempt) or list(run_problems(attempt))
    fatal = most_urgent(problem for problem in problems if not _has_worker(pods, problem.group))
    if fatal and fatal.fatal_at and now >= fatal.fatal_at:
        return Assessment(Failure(fatal.reason, fatal.message, fatal.retried))
    until = fatal.fatal_at if fatal else None
    soon = earliest(until, *run_due(attempt), *_head_rechecks(attempt), *_rechecks(attempt))
    return Assessment(None, fatal or most_urgent(problems), soon)


def _problems(attempt: Attempt) -> list[Problem]:
    settings = attempt.settings
    of_pods = pod_problems(attempt.pods, settings, attempt.warnings, attempt.now)
    status = attempt.ray_job.get("status", {})
    cluster = str(status.get("rayClusterName") or "")
    return [problem for problem in (*of_pods, refused_pods(cluster, status.get("rayClusterStatus") or {}, settings)) if problem]


def _start_timeout(attempt: Attempt) -> Failure:
    uid = attempt.ray_job["metadata"].get("labels", {}).get(LABEL_UID, "")
    message = (
        f"The driver did not start within {attempt.start_seconds} s. Check that the KubeRay operator is running, and "
        f"the Events of the RayCluster and the pods: kubectl describe rayclusters,pods -l {LABEL_UID}={uid}"
    )
    return Failure("StartTimeout", message)


def _has_worker(pods: Iterable[Manifest], group: str | None) -> bool:
    """Whether a worker of the group, or of any group, is ready."""
    return any(is_ready(pod) and not is_head(pod) and group in (None, group_of(pod)) for pod in pods)


def _rechecks(attempt: Attempt) -> Iterable[datetime | None]:
    """When to look again at what changes without an event."""
    for _, suspicious in in_creation(attempt.pods):
        yield suspicious if attempt.now < suspicious else attempt.now + RECHECK


def _head_rechecks(attempt: Attempt) -> Iterable[datetime | None]:
    """When a head that does not respond is to be given up."""
    for pod in attempt.pods:
        if is_head(pod) and not is_gone(pod) and (pod["metadata"].get("deletionTimestamp") or unready_since(pod)):
            yield attempt.now + RECHECK


def earliest(*moments: datetime | None) -> datetime | None:
    """The first of the moments that are known."""
    return min((moment for moment in moments if moment), default=None)
