"""The current run of a DataJob, from its spec and its last status."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from datajob.api.checks import check
from datajob.api.loading import parse_object
from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import rayjob, run_id, run_name, run_of_rayjob
from datajob_controller.datajob.policy.conditions import is_true, true_reason
from datajob_controller.datajob.policy.deadline import deadline
from datajob_controller.runtime.manifests import Manifest, parse_time

MAX_LEFTOVERS = 10
FinishedReason = Literal["RetryLimitReached", "DeadlineExceeded", "NotRetried"]
"""Why a failed run has no further attempt: the reason of the condition `Finished`."""
RETRY_LIMIT_REACHED: Final = "RetryLimitReached"
DEADLINE_EXCEEDED: Final = "DeadlineExceeded"
NOT_RETRIED: Final = "NotRetried"
SUSPENDED = "Suspended"
"""Reason of an attempt that ended because the job was suspended; it does not count as a failure."""


@dataclass(frozen=True)
class Run:
    """One run of a DataJob and its progress as of the last status."""

    spec: DataJobSpec
    name: str
    id: str
    before: Manifest = field(default_factory=dict)
    """The last status; empty if it belongs to another run."""
    leftovers: tuple[str, ...] = ()
    """The names of earlier runs whose objects may still exist."""

    @property
    def attempt(self) -> int:
        """The number of the current attempt, or of the next one if that has ended."""
        now = int(self.before.get("attempt", 1))
        ended = any(attempt["number"] == now for attempt in self.before.get("attempts", ()))
        return now + 1 if ended else now

    @property
    def ray_job(self) -> str:
        """The name of the RayJob of that attempt."""
        return rayjob(self.name, self.attempt)

    @property
    def has_begun(self) -> bool:
        """Whether that RayJob was created at some time."""
        return bool(self.before.get("rayJobName") == self.ray_job)

    @property
    def failures(self) -> int:
        """The number of failed attempts so far."""
        return int(self.before.get("failures", 0))

    @property
    def last_failure_at(self) -> datetime | None:
        """When the previous attempt failed, if it did."""
        attempts = self.before.get("attempts") or ()
        if not attempts or attempts[-1]["number"] != self.attempt - 1 or attempts[-1]["reason"] == SUSPENDED:
            return None
        return parse_time(attempts[-1]["finished"])

    @property
    def started(self) -> datetime | None:
        """When the deadline started to count."""
        return None if self.was_suspended else parse_time(self.before.get("started"))

    @property
    def was_suspended(self) -> bool:
        """Whether the job was suspended."""
        return is_true(self.before.get("conditions", ()), "Suspended")

    @property
    def finished(self) -> bool:
        """Whether the run is complete or failed."""
        conditions = self.before.get("conditions", ())
        return is_true(conditions, "Complete") or is_true(conditions, "Failed")

    def may_continue(self, now: datetime) -> bool:
        """Whether the limit that ended this failed run was raised."""
        why = true_reason(self.before.get("conditions", ()), "Finished")
        if why == RETRY_LIMIT_REACHED:
            return self.failures <= self.spec.retry.limit
        until = deadline(self.started, self.spec.deadline_seconds)
        return why == DEADLINE_EXCEEDED and (until is None or now < until)


def current_run(datajob: Manifest) -> tuple[Run | None, list[str]]:
    """The run of a DataJob, or the problems that make its spec invalid."""
    job, problems = parse_object({key: value for key, value in datajob.items() if key != "status"})
    if job is not None:
        problems = check(job, on_cluster=True)
    errors = [str(problem) for problem in problems if not problem.warning]
    if job is None or errors:
        return None, errors
    meta = datajob["metadata"]
    name, identity = run_name(meta["name"], meta["uid"], job.spec), run_id(meta["uid"], job.spec)
    before = datajob.get("status") or {}
    if _is_of(before, name, identity):
        return Run(job.spec, name, identity, before, tuple(before.get("leftoverRuns", ()))), []
    return Run(job.spec, name, identity, leftovers=leftover_runs(before, name)), []


def leftover_runs(status: Manifest, current: str = "") -> tuple[str, ...]:
    """The runs that a status names, apart from the current one. Their objects are deleted when the next run starts."""
    named = (*status.get("leftoverRuns", ()), run_of_rayjob(status.get("rayJobName", "")))
    return tuple(dict.fromkeys(run for run in named if run not in ("", current)))[-MAX_LEFTOVERS:]


def _is_of(status: Manifest, name: str, identity: str) -> bool:
    """Whether a status belongs to this run. A complete run stays complete on other hardware, since it computes the same."""
    if status.get("runId") != identity:
        return False
    return is_true(status.get("conditions", ()), "Complete") or run_of_rayjob(status.get("rayJobName", "")) in ("", name)
