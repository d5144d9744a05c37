"""Decides what to do about a DataJob, from its current state alone. Pure and level-based.

`decide` asks a short list of questions: Is the job valid, finished, suspended, past its deadline, waiting for a retry, without
a RayJob, or does it have one? `StatusBuilder` records the answer.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from datajob.api.contract import OUT_OF_MEMORY, TEMPORARY_ERRORS, WORKER_DIED
from datajob.api.report import Report
from datajob_controller.datajob.names import job_config, report_config, run_of_rayjob
from datajob_controller.datajob.objects.configmaps import job_configmap, report_configmap
from datajob_controller.datajob.objects.networkpolicy import network_policy
from datajob_controller.datajob.objects.rayjob import ray_job
from datajob_controller.datajob.objects.rbac import role, role_binding, service_account, service_account_name
from datajob_controller.datajob.policy.assess import RECHECK, Attempt, assess_run, assess_start, earliest
from datajob_controller.datajob.policy.conditions import since_true
from datajob_controller.datajob.policy.deadline import deadline
from datajob_controller.datajob.policy.failure import Failure, exit_code, ray_job_failure
from datajob_controller.datajob.policy.losses import described_crashes, disrupted_head, head_failure, killed_for_memory
from datajob_controller.datajob.policy.pods import holds_resources, may_still_run
from datajob_controller.datajob.policy.refusals import obstacle_limit
from datajob_controller.datajob.policy.retry import may_retry, next_attempt_at
from datajob_controller.datajob.policy.suspend import held_by_queue
from datajob_controller.datajob.policy.ttl import expiry
from datajob_controller.datajob.report import of_this_attempt, parse_report
from datajob_controller.datajob.run import DEADLINE_EXCEEDED, NOT_RETRIED, RETRY_LIMIT_REACHED, Run, current_run
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.datajob.specs import Check, check_spec
from datajob_controller.datajob.status import StatusBuilder
from datajob_controller.datajob.text import listed_problems
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.runtime.types import Decision, Observed, Obstacle, Reference

_ENDED = ("Complete", "Failed", "ValidationFailed")
"""Final values of a RayJob's `jobDeploymentStatus`."""


@dataclass(frozen=True)
class _Case:
    """A valid DataJob and everything that its decision depends on; `status` records the result."""

    datajob: Manifest
    run: Run
    status: StatusBuilder
    observed: Observed
    now: datetime
    settings: JobSettings


def decide(datajob: Manifest, observed: Observed, now: datetime, settings: JobSettings, check: Check = check_spec) -> Decision:
    """What to do about one DataJob. `check` is the one expensive part."""
    if datajob["metadata"].get("deletionTimestamp"):
        return Decision()
    run, problems = current_run(datajob, check, _passed_id(datajob, observed))
    status = StatusBuilder(datajob, run, now)
    if run is None:
        status.set_invalid(listed_problems(problems))
        decision = Decision(delete=_all_ray_jobs(observed))
    else:
        decision = _valid(_Case(datajob, run, status, observed, now, settings))
    return replace(decision, status=status.changed(), events=status.events)


def _valid(case: _Case) -> Decision:
    if case.run.replaced:
        earlier = case.observed.of("RayJob").get(case.run.replaced.get("rayJobName", ""), {})
        case.status.set_restarted(case.run, earlier.get("metadata", {}).get("creationTimestamp"))
    if case.run.finished:
        if not (case.run.startable and case.run.may_continue(case.now)):
            return _finished(case)
        case.status.set_continued()
    if case.run.spec.suspend:
        case.status.set_suspended(case.run)
        return Decision(delete=_all_ray_jobs(case.observed))
    return _unfinished(case)


def _finished(case: _Case) -> Decision:
    """Only the last report may still arrive, and the time to live may expire."""
    run, observed = case.run, case.observed
    name = run.before.get("rayJobName", "")
    found = observed.of("RayJob").get(name)
    last = parse_report(observed.of("ConfigMap").get(report_config(run_of_rayjob(name))))
    case.status.keep_finished(run, of_this_attempt(last, int(run.before.get("attempt", 1))) if found else None)
    until = _expiry(case, parse_time(run.before.get("finished")))
    if until and case.now >= until:
        return Decision(delete=[Reference("DataJob", case.datajob["metadata"]["name"])])
    return Decision(requeue_at=until)


def _expiry(case: _Case, finished: datetime | None) -> datetime | None:
    """When the DataJob is deleted."""
    ttl = case.run.spec.ttl_seconds_after_finished
    return expiry(finished, case.settings.ttl_seconds_after_finished if ttl is None else ttl)


def _unfinished(case: _Case) -> Decision:
    run, spec = case.run, case.run.spec
    if run.was_suspended:
        case.status.set_resumed()
    until = None if _is_queued(case) else deadline(run.started, spec.deadline_seconds)
    if until and case.now >= until:
        failure = Failure(DEADLINE_EXCEEDED, f"The job did not finish within {spec.deadline_seconds} s.", retried=False)
        if run.has_begun:
            case.status.set_attempt_failed(run, failure, None)
        case.status.set_failed(failure, DEADLINE_EXCEEDED)
        return Decision(delete=_all_ray_jobs(case.observed), requeue_at=_expiry(case, case.now))
    decision = _attempt(case)
    return replace(decision, requeue_at=earliest(decision.requeue_at, until))


def _is_queued(case: _Case) -> bool:
    """Whether a queue holds the attempt. Then the deadline does not run."""
    found = case.observed.of("RayJob").get(case.run.ray_job)
    return found is not None and held_by_queue(found)


def _attempt(case: _Case) -> Decision:
    """The current attempt: in progress, lost, waiting to begin, or to be created."""
    run, observed = case.run, case.observed
    found = observed.of("RayJob").get(run.ray_job)
    stale = [Reference("RayJob", other) for other in _alive(observed) if other != run.ray_job]
    if found is not None and not found["metadata"].get("deletionTimestamp"):
        decision = _live(case, found)
        return replace(decision, create=_config_maps(case), delete=[*stale, *decision.delete])
    if "RayJob" in observed.unserved:
        case.status.set_kuberay_missing()
        return Decision()
    if found is not None and not run.has_begun:
        # It was created before an edit or a suspension and its attempt has ended: the new one has the same name.
        case.status.set_waiting_for_previous(f"RayJob {run.ray_job}")
        return Decision(delete=stale, requeue_at=case.now + RECHECK)
    if run.has_begun:
        message = f"RayJob {run.ray_job} was deleted externally."
        return _attempt_failed(case, Failure("RayJobDeleted", message))
    if not run.startable:
        case.status.set_invalid(listed_problems(run.problems))
        return Decision(delete=stale)
    if run.last_failure_at:
        due = next_attempt_at(run.last_failure_at, run.failures, run.spec.retry, case.settings.max_backoff_seconds)
        if case.now < due:
            case.status.set_waiting_for_retry(due)
            return Decision(requeue_at=due)
    if previous := _previous(observed, case.now):
        case.status.set_waiting_for_previous(previous)
        return Decision(delete=stale, requeue_at=case.now + RECHECK)
    if observed.obstacle:
        return _refused(case, observed.obstacle)
    case.status.set_starting(run)
    new = ray_job(case.datajob, run.spec, case.settings, run.name, run.attempt, run.public_id)
    return Decision(create=[*_support(case), new], delete=_leftovers(run, observed))


def _refused(case: _Case, obstacle: Obstacle) -> Decision:
    """The API server refuses an object of the attempt. It is created again periodically, within a limit."""
    since = since_true(case.run.before.get("conditions", ()), "Stalled", obstacle.reason) or case.now
    until = since + timedelta(seconds=obstacle_limit(obstacle, case.settings))
    if case.now >= until:
        return _attempt_failed(case, Failure(obstacle.reason, obstacle.message, retried=False))
    case.status.set_obstacle(obstacle)
    return Decision(requeue_at=min(case.now + RECHECK, until))


def _live(case: _Case, found: Manifest) -> Decision:
    """An attempt that has a RayJob."""
    run, observed, status = case.run, case.observed, found.get("status", {})
    report = of_this_attempt(parse_report(observed.of("ConfigMap").get(report_config(run.name))), run.attempt)
    case.status.set_live(run, found, report)
    if held_by_queue(found):
        case.status.set_queued(run.spec.queue_name or "")
        return Decision()
    cluster = status.get("rayClusterName")
    pods = [pod for pod in observed.of("Pod").values() if pod["metadata"]["labels"].get("ray.io/cluster") == cluster]
    if status.get("jobDeploymentStatus") in _ENDED:
        if status.get("jobStatus") == "SUCCEEDED":
            case.status.set_complete()
            return Decision(requeue_at=_expiry(case, case.now))
        return _attempt_failed(case, _failure(found, report, pods))
    if failure := head_failure(pods):
        return _attempt_failed(case, failure, stop=True)
    return _in_progress(case, found, pods)


def _failure(found: Manifest, report: Report | None, pods: list[Manifest]) -> Failure:
    """Why a RayJob failed. The head pod may state the reason, if the driver did not; if workers died, they do."""
    failure = ray_job_failure(found, report)
    code = exit_code(found, report)
    if failure.retried and code not in TEMPORARY_ERRORS:
        lost = disrupted_head(pods) or (head_failure(pods) if code is None else None)
        return lost or failure
    if code == WORKER_DIED:
        memory = killed_for_memory(pods) or failure.message.startswith(OUT_OF_MEMORY)
        parts = (failure.message, described_crashes(pods))
        return replace(failure, reason="OutOfMemory" if memory else failure.reason, message="\n".join(filter(None, parts)))
    return failure


def _in_progress(case: _Case, found: Manifest, pods: list[Manifest]) -> Decision:
    """The Ray cluster starts, or the driver runs, or something prevents that. It never waits forever."""
    job_status, spec = found.get("status", {}).get("jobStatus"), case.run.spec
    seconds = spec.start_deadline_seconds or case.settings.start_seconds
    attempt = Attempt(found, pods, case.now, case.settings, case.observed.warnings, seconds, bool(spec.queue_name))
    running = job_status not in (None, "", "PENDING")
    assessed = assess_run(attempt) if running else assess_start(attempt)
    if assessed.failure:
        return _attempt_failed(case, assessed.failure, stop=True)
    if running:
        case.status.set_running(assessed.problem)
    else:
        problem = assessed.problem
        if problem and problem.reason == "Unschedulable" and _occupied(case, pods):
            problem = None
        case.status.set_waiting_for_cluster(case.run.ray_job, problem, submitted=job_status == "PENDING")
    return Decision(requeue_at=assessed.recheck_at)


def _attempt_failed(case: _Case, failure: Failure, *, stop: bool = False) -> Decision:
    """Close the attempt, then schedule the next one or give up. `stop` deletes a RayJob that still runs."""
    run, retry = case.run, case.run.spec.retry
    delete = [Reference("RayJob", run.ray_job)] if stop else []
    disrupted = failure.disruption and run.disruptions < case.settings.max_disruptions
    failures = run.failures if disrupted else run.failures + 1
    if disrupted or may_retry(failure, failures, retry):
        due = next_attempt_at(case.now, failures, retry, case.settings.max_backoff_seconds)
        case.status.set_attempt_failed(run, failure, due, disrupted=disrupted)
        return Decision(delete=delete, requeue_at=due)
    case.status.set_attempt_failed(run, failure, None)
    case.status.set_failed(failure, RETRY_LIMIT_REACHED if failure.retried else NOT_RETRIED)
    return Decision(delete=delete, requeue_at=_expiry(case, case.now))


def _occupied(case: _Case, pods: list[Manifest]) -> bool:
    """Whether pods of earlier attempts still terminate, so that their resources are not available yet."""
    current = {pod["metadata"]["name"] for pod in pods}
    others = (pod for name, pod in case.observed.of("Pod").items() if name not in current)
    return any(holds_resources(pod, case.now) for pod in others)


def _previous(observed: Observed, now: datetime) -> str | None:
    """A part of an earlier attempt that could still write: its RayJob, unless that has ended, or its head pod."""
    for name, found in observed.of("RayJob").items():
        if found.get("status", {}).get("jobDeploymentStatus") not in _ENDED:
            return f"RayJob {name}"
    return next((f"pod {name}" for name, pod in observed.of("Pod").items() if may_still_run(pod, now)), None)


def _support(case: _Case) -> list[Manifest]:
    """The objects that must exist before the pods."""
    datajob, run = case.datajob, case.run
    account = service_account_name(run.spec, run.name)
    return [
        *_config_maps(case),
        *([service_account(datajob, run.name)] if account == run.name else []),
        role(datajob, run.name),
        role_binding(datajob, run.name, account),
        *([network_policy(datajob, run.name, case.settings)] if case.settings.network_policy else []),
    ]


def _config_maps(case: _Case) -> list[Manifest]:
    """The ConfigMaps that do not exist yet."""
    run, existing = case.run.name, case.observed.of("ConfigMap")
    made = {job_config(run): job_configmap, report_config(run): report_configmap}
    if not case.run.accepted:  # the spec of the run is no longer stored
        del made[job_config(run)]
    return [build(case.datajob, run) for name, build in made.items() if name not in existing]


def _passed_id(datajob: Manifest, observed: Observed) -> str:
    """The identity that the pods of the last attempt received, according to its RayJob."""
    name = (datajob.get("status") or {}).get("rayJobName", "")
    found = observed.of("RayJob").get(name, {})
    return str(found.get("spec", {}).get("runId", ""))


def _leftovers(run: Run, observed: Observed) -> list[Reference]:
    """What is no longer needed: RayJobs that ended and, after an edit of the spec, all objects of earlier runs.

    Only the status names earlier runs: names in the cluster can be forged.
    """
    named = ("ServiceAccount", "Role", "RoleBinding", "NetworkPolicy")
    objects = [Reference(kind, old) for old in run.leftovers for kind in named]
    configs = [name for old in run.leftovers for name in (job_config(old), report_config(old))]
    existing = observed.of("ConfigMap")
    return [*_all_ray_jobs(observed), *objects, *(Reference("ConfigMap", name) for name in configs if name in existing)]


def _alive(observed: Observed) -> list[str]:
    return [name for name, found in observed.of("RayJob").items() if not found["metadata"].get("deletionTimestamp")]


def _all_ray_jobs(observed: Observed) -> list[Reference]:
    return [Reference("RayJob", name) for name in _alive(observed)]
