"""The heart of the controller: what should be, from what is. Pure and level-based: how it came about does not matter.

`decide` walks down a short list of questions: is the job valid, finished, held back, past its deadline, waiting for a retry,
without a RayJob, or living with one? `Story` writes the answer down.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from datajob_controller.datajob.names import job_config, report_config
from datajob_controller.datajob.objects.configmaps import job_configmap, report_configmap
from datajob_controller.datajob.objects.networkpolicy import network_policy
from datajob_controller.datajob.objects.rayjob import ray_job
from datajob_controller.datajob.objects.rbac import role, role_binding, service_account, service_account_name
from datajob_controller.datajob.policy.deadline import deadline
from datajob_controller.datajob.policy.failure import Failure, ray_job_failure
from datajob_controller.datajob.policy.pods import head_failure, still_there, trouble, worker_failure
from datajob_controller.datajob.policy.retry import may_retry, next_attempt_at
from datajob_controller.datajob.policy.suspend import held_by_queue
from datajob_controller.datajob.policy.ttl import expiry
from datajob_controller.datajob.report import of_this_attempt, parse_report
from datajob_controller.datajob.run import Run, open_run, run_of
from datajob_controller.datajob.status import StatusBuilder
from datajob_controller.datajob.types import Decision, Observed, Reference
from datajob_controller.runtime.manifests import Manifest, moment
from datajob_controller.runtime.settings import Settings

MAX_LISTED_PROBLEMS = 10
LOOK_AGAIN = timedelta(seconds=30)
"""For what no event tells: that an obstacle, or a pod on a dead node, is out of the way."""


def decide(datajob: Manifest, observed: Observed, now: datetime, settings: Settings) -> Decision:
    """What to do about one DataJob."""
    if datajob["metadata"].get("deletionTimestamp"):
        return Decision()
    run, problems = open_run(datajob)
    status_builder = StatusBuilder(datajob, run, now)
    if run is None:
        status_builder.rejected(_listed(problems))
        decision = Decision(delete=_all_ray_jobs(observed))
    elif run.finished:
        decision = _finished(datajob, run, status_builder, observed, now)
    elif run.spec.suspend:
        status_builder.suspended(run)
        decision = Decision(delete=_all_ray_jobs(observed))
    else:
        decision = _unfinished(datajob, run, status_builder, observed, now, settings)
    return replace(decision, status=status_builder.changed(), events=status_builder.events)


def _finished(datajob: Manifest, run: Run, status_builder: StatusBuilder, observed: Observed, now: datetime) -> Decision:
    """Nothing is left to do but to take the last report, and to go when the time has come."""
    name = run.before.get("rayJobName", "")
    found, last = observed.ray_jobs.get(name), parse_report(observed.config_maps.get(report_config(run_of(name))))
    status_builder.keep_finished(run, of_this_attempt(last, found) if found else None)
    until = expiry(moment(run.before.get("finished")), run.spec.ttl_seconds_after_finished)
    if until and now >= until:
        return Decision(delete=[Reference("DataJob", datajob["metadata"]["name"])])
    return Decision(requeue_at=until)


def _unfinished(
    datajob: Manifest, run: Run, status_builder: StatusBuilder, observed: Observed, now: datetime, settings: Settings
) -> Decision:
    if run.was_suspended:
        status_builder.resumed()
    until = deadline(run.started, run.spec.deadline_seconds)
    if until and now >= until:
        failure = Failure("DeadlineExceeded", f"The job did not end within {run.spec.deadline_seconds} s.", retried=False)
        if run.has_begun:
            status_builder.attempt_failed(run, failure, None)
        status_builder.failed(failure)
        return Decision(delete=_all_ray_jobs(observed), requeue_at=expiry(now, run.spec.ttl_seconds_after_finished))
    decision = _attempt(datajob, run, status_builder, observed, now, settings)
    return replace(decision, requeue_at=min((m for m in (decision.requeue_at, until) if m), default=None))


def _attempt(
    datajob: Manifest, run: Run, status_builder: StatusBuilder, observed: Observed, now: datetime, settings: Settings
) -> Decision:
    """The current attempt: under way, lost, waiting to begin, or to be created."""
    found = observed.ray_jobs.get(run.ray_job)
    stale = [Reference("RayJob", other) for other in _alive(observed) if other != run.ray_job]
    if found is not None and not found["metadata"].get("deletionTimestamp"):
        decision = _live(run, status_builder, observed, found, now, settings)
        return replace(decision, create=_config_maps(datajob, run, observed), delete=[*stale, *decision.delete])
    if not observed.kuberay:
        status_builder.kuberay_missing()
        return Decision()
    if found is not None or run.has_begun:
        lost = Failure("RayJobDeleted", f"The RayJob {run.ray_job} was deleted by someone else.")
        return _attempt_failed(run, status_builder, lost, now, settings)
    if run.last_failure_at:
        due = next_attempt_at(run.last_failure_at, run.failures, run.spec.retry, settings.max_backoff_seconds)
        if now < due:
            status_builder.set_waiting_for_retry(due)
            return Decision(requeue_at=due)
    if previous := _previous(observed, now):
        status_builder.set_waiting_for_previous(previous)
        return Decision(delete=stale, requeue_at=now + LOOK_AGAIN)
    if observed.obstacle:
        status_builder.set_obstacle(observed.obstacle)
        return Decision(requeue_at=now + LOOK_AGAIN)
    status_builder.set_starting(run)
    support = _support(datajob, run, observed, settings)
    new = ray_job(datajob, run.spec, settings, run.name, run.attempt)
    return Decision(create=[*support, new], delete=_leftovers(run, observed))


def _live(
    run: Run, status_builder: StatusBuilder, observed: Observed, found: Manifest, now: datetime, settings: Settings
) -> Decision:
    """An attempt whose RayJob is there."""
    status = found.get("status", {})
    report = of_this_attempt(parse_report(observed.config_maps.get(report_config(run.name))), found)
    status_builder.set_live(run, found, report)
    if held_by_queue(found):
        status_builder.queued(run.spec.queue_name or "")
        return Decision()
    if status.get("jobDeploymentStatus") in ("Complete", "Failed", "ValidationFailed"):
        if status.get("jobStatus") == "SUCCEEDED":
            status_builder.completed()
            return Decision(requeue_at=expiry(now, run.spec.ttl_seconds_after_finished))
        return _attempt_failed(run, status_builder, ray_job_failure(found, report), now, settings)
    pods = [pod for pod in observed.pods if pod["metadata"]["labels"].get("ray.io/cluster") == status.get("rayClusterName")]
    if failure := head_failure(pods):
        return _attempt_failed(run, status_builder, failure, now, settings, stop=True)
    if status.get("jobStatus"):
        status_builder.set_running()
        return Decision()
    return _starting(run, status_builder, pods, now, settings)


def _starting(run: Run, status_builder: StatusBuilder, pods: list[Manifest], now: datetime, settings: Settings) -> Decision:
    """The Ray cluster comes up, or something keeps it from that."""
    if failure := worker_failure(pods, settings.crash_limit):
        return _attempt_failed(run, status_builder, failure, now, settings, stop=True)
    why = trouble(pods, settings)
    if why and why.fatal_at and now >= why.fatal_at:
        return _attempt_failed(run, status_builder, Failure(why.reason, why.message), now, settings, stop=True)
    status_builder.set_waiting_for_cluster(run.ray_job, why)
    return Decision(requeue_at=why.fatal_at if why else None)


def _attempt_failed(
    run: Run, status_builder: StatusBuilder, failure: Failure, now: datetime, settings: Settings, *, stop: bool = False
) -> Decision:
    """Close the attempt; open the next one or give up. `stop` ends a RayJob that would go on."""
    delete = [Reference("RayJob", run.ray_job)] if stop else []
    failures = run.failures + 1
    if may_retry(failure, failures, run.spec.retry):
        due = next_attempt_at(now, failures, run.spec.retry, settings.max_backoff_seconds)
        status_builder.attempt_failed(run, failure, due)
        return Decision(delete=delete, requeue_at=due)
    status_builder.attempt_failed(run, failure, None)
    status_builder.failed(failure)
    return Decision(delete=delete, requeue_at=expiry(now, run.spec.ttl_seconds_after_finished))


def _previous(observed: Observed, now: datetime) -> str | None:
    """Something of an earlier attempt that could still write: its RayJob, unless that has ended, or its head pod."""
    for name, found in observed.ray_jobs.items():
        if found.get("status", {}).get("jobDeploymentStatus") not in ("Complete", "Failed", "ValidationFailed"):
            return f"RayJob {name}"
    return next((f"pod {pod['metadata']['name']}" for pod in observed.pods if still_there(pod, now)), None)


def _support(datajob: Manifest, run: Run, observed: Observed, settings: Settings) -> list[Manifest]:
    """What has to be there before the pods."""
    account = service_account_name(run.spec, run.name)
    return [
        *_config_maps(datajob, run, observed),
        *([service_account(datajob, run.name)] if account == run.name else []),
        role(datajob, run.name),
        role_binding(datajob, run.name, account),
        *([network_policy(datajob, run.name, settings)] if settings.network_policy else []),
    ]


def _config_maps(datajob: Manifest, run: Run, observed: Observed) -> list[Manifest]:
    """The ConfigMaps that are missing."""
    made = {job_config(run.name): job_configmap, report_config(run.name): report_configmap}
    return [build(datajob, run.name) for name, build in made.items() if name not in observed.config_maps]


def _leftovers(run: Run, observed: Observed) -> list[Reference]:
    """What is of no use any more: RayJobs that ended and, when the recipe was edited, everything of the runs before."""
    old = {name.rpartition("-")[0] for name in observed.config_maps} - {run.name}
    named = ("ServiceAccount", "Role", "RoleBinding", "NetworkPolicy")
    configs = [Reference("ConfigMap", name) for name in observed.config_maps if name.rpartition("-")[0] in old]
    return [*_all_ray_jobs(observed), *(Reference(kind, name) for name in sorted(old) for kind in named), *configs]


def _alive(observed: Observed) -> list[str]:
    return [name for name, found in observed.ray_jobs.items() if not found["metadata"].get("deletionTimestamp")]


def _all_ray_jobs(observed: Observed) -> list[Reference]:
    return [Reference("RayJob", name) for name in _alive(observed)]


def _listed(problems: list[str]) -> str:
    more = len(problems) - MAX_LISTED_PROBLEMS
    return "; ".join([*problems[:MAX_LISTED_PROBLEMS], *([f"and {more} more"] if more > 0 else [])])
