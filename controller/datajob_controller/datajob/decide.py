"""Decides what to do about a DataJob, from its current state alone. Pure and level-based.

`decide` asks a short list of questions: Is the job valid, finished, suspended, past its deadline, waiting for a retry, without
a RayJob, or does it have one? `StatusBuilder` records the answer.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from datajob.api.contract import TEMPORARY_ERRORS, WORKER_DIED
from datajob.api.report import Report
from datajob_controller.datajob.names import job_config, report_config, run_of_rayjob
from datajob_controller.datajob.objects.rayjob import ray_job
from datajob_controller.datajob.policy.assess import RECHECK, assess_run, assess_start, earliest
from datajob_controller.datajob.policy.attempt import Attempt
from datajob_controller.datajob.policy.deadline import deadline
from datajob_controller.datajob.policy.failure import Failure, exit_code, ray_job_failure
from datajob_controller.datajob.policy.kuberay import ended_unnoticed, stuck, stuck_at
from datajob_controller.datajob.policy.losses import counted_interruption, disrupted_head, head_failure, worker_died
from datajob_controller.datajob.policy.previous import ENDED, occupies, previous_part
from datajob_controller.datajob.policy.retry import may_retry, next_attempt_at, shortened_delay
from datajob_controller.datajob.policy.suspend import held_by_queue
from datajob_controller.datajob.policy.ttl import expiry
from datajob_controller.datajob.report import of_this_attempt, parse_report
from datajob_controller.datajob.run import DEADLINE_EXCEEDED, NOT_RETRIED, RETRY_LIMIT_REACHED, Run, current_run
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.datajob.specs import Check, check_spec
from datajob_controller.datajob.status import StatusBuilder
from datajob_controller.datajob.support import config_maps, support_objects
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.runtime.types import Decision, Observed, Obstacle, Reference
from datajob_controller.shared.policy.conditions import since_true
from datajob_controller.shared.policy.pods import name_of
from datajob_controller.shared.policy.refusals import obstacle_limit
from datajob_controller.shared.text import listed_problems


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
        case.status.set_suspended(case.run, _stuck(case))
        return Decision(delete=_all_ray_jobs(case.observed), requeue_at=_stuck_at(case))
    return _unfinished(case)


def _finished(case: _Case) -> Decision:
    """Only the last report may still arrive, and the time to live may expire."""
    run, observed = case.run, case.observed
    name = run.before.get("rayJobName", "")
    found = observed.of("RayJob").get(name)
    last = parse_report(observed.of("ConfigMap").get(report_config(run_of_rayjob(name))))
    late = of_this_attempt(last, int(run.before.get("attempt", 1))) if found else None
    case.status.keep_finished(run, late, _stuck(case))
    until = _expiry(case, parse_time(run.before.get("finished")))
    if until and case.now >= until:
        return Decision(delete=[Reference("DataJob", case.datajob["metadata"]["name"])])
    return Decision(requeue_at=earliest(until, _stuck_at(case)))


def _stuck(case: _Case) -> str | None:
    """A statement about a RayJob that KubeRay does not remove."""
    return stuck(case.observed.of("RayJob").values(), case.now)


def _stuck_at(case: _Case) -> datetime | None:
    """When a RayJob that is being deleted will count as stuck."""
    return stuck_at(case.observed.of("RayJob").values(), case.now)


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
        return replace(
            decision, create=config_maps(case.datajob, run, observed.of("ConfigMap")), delete=[*stale, *decision.delete]
        )
    if "RayJob" in observed.unserved:
        case.status.set_kuberay_missing()
        return Decision()
    if found is not None and not run.has_begun:
        # It was created before an edit or a suspension and its attempt has ended: the new one has the same name.
        case.status.set_waiting_for_previous(f"RayJob {run.ray_job}", _stuck(case))
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
    if previous := previous_part(observed, case.now):
        case.status.set_waiting_for_previous(previous, _stuck(case))
        return Decision(delete=stale, requeue_at=case.now + RECHECK)
    if observed.obstacle:
        return _refused(case, observed.obstacle)
    case.status.set_starting(run)
    new = ray_job(case.datajob, run.spec, case.settings, run.name, run.attempt, run.public_id)
    support = support_objects(case.datajob, run, case.settings, observed.of("ConfigMap"))
    return Decision(create=[*support, new], delete=_leftovers(run, observed))


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
    if status.get("jobDeploymentStatus") in ENDED:
        if status.get("jobStatus") == "SUCCEEDED":
            case.status.set_complete()
            return Decision(requeue_at=_expiry(case, case.now))
        return _attempt_failed(case, _failure(found, report, pods, case.settings))
    if failure := head_failure(pods):
        return _ended(case, report) or _attempt_failed(case, failure, stop=True)
    return _in_progress(case, found, pods, report)


def _ended(case: _Case, report: Report | None) -> Decision | None:
    """The end of an attempt whose driver reported success, although the RayJob does not state it: the result is committed."""
    if report is None or report.state != "complete":
        return None
    case.status.set_complete()
    return Decision(delete=[Reference("RayJob", case.run.ray_job)], requeue_at=_expiry(case, case.now))


def _failure(found: Manifest, report: Report | None, pods: list[Manifest], settings: JobSettings) -> Failure:
    """Why a RayJob failed. The head pod may state the reason, if the driver did not; if workers died, they do."""
    failure = ray_job_failure(found, report, settings)
    code = exit_code(found, report)
    if failure.retried and code not in TEMPORARY_ERRORS:
        lost = disrupted_head(pods) or (head_failure(pods) if code is None else None)
        return lost or failure
    if code == WORKER_DIED:
        return worker_died(failure, pods)
    return failure


def _in_progress(case: _Case, found: Manifest, pods: list[Manifest], report: Report | None) -> Decision:
    """The Ray cluster starts, or the driver runs, or something prevents that. It never waits forever."""
    spec, settings, warnings = case.run.spec, case.settings, case.observed.warnings
    seconds = spec.start_deadline_seconds or settings.start_seconds
    attempt = Attempt(found, pods, case.now, settings, warnings, seconds, bool(spec.queue_name), report)
    if ended_unnoticed(attempt):
        return _ended(case, report) or _attempt_failed(case, _failure(found, report, pods, case.settings), stop=True)
    assessed = assess_run(attempt) if attempt.driver_runs else assess_start(attempt)
    if assessed.failure:
        return _attempt_failed(case, assessed.failure, stop=True)
    if attempt.driver_runs:
        case.status.set_running(assessed.problem)
    else:
        problem = assessed.problem
        if problem and problem.reason == "Unschedulable" and occupies(case.observed, {name_of(pod) for pod in pods}, case.now):
            problem = None
        case.status.set_waiting_for_cluster(case.run.ray_job, problem, submitted=attempt.job_status == "PENDING")
    return Decision(requeue_at=assessed.recheck_at)


def _attempt_failed(case: _Case, failure: Failure, *, stop: bool = False) -> Decision:
    """Close the attempt, then schedule the next one or give up. `stop` deletes a RayJob that still runs."""
    run, retry = case.run, case.run.spec.retry
    if failure.disruption and run.disruptions >= case.settings.max_disruptions:
        failure = counted_interruption(failure, case.settings)
    delete = [Reference("RayJob", run.ray_job)] if stop else []
    failures = run.failures if failure.disruption else run.failures + 1
    if failure.disruption or may_retry(failure, failures, retry):
        longest = case.settings.max_backoff_seconds
        due, note = next_attempt_at(case.now, failures, retry, longest), shortened_delay(retry, longest)
        case.status.set_attempt_failed(run, failure, due, note, interrupted=failure.disruption)
        return Decision(delete=delete, requeue_at=due)
    case.status.set_attempt_failed(run, failure, None)
    case.status.set_failed(failure, RETRY_LIMIT_REACHED if failure.retried else NOT_RETRIED)
    return Decision(delete=delete, requeue_at=_expiry(case, case.now))


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
