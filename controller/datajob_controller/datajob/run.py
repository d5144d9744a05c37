"""The current run of a DataJob, from its spec and its last status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import public_run_id, rayjob, run_of_rayjob
from datajob_controller.datajob.policy.deadline import deadline
from datajob_controller.datajob.specs import Check, CheckedSpec, check_spec, digests, lifecycle_only
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.shared.policy.conditions import is_true, true_reason

MAX_LEFTOVERS = 10
FinishedReason = Literal["RetryLimitReached", "DeadlineExceeded", "NotRetried"]
"""Why a failed run has no further attempt: the reason of the condition `Finished`."""
RETRY_LIMIT_REACHED: Final = "RetryLimitReached"
DEADLINE_EXCEEDED: Final = "DeadlineExceeded"
NOT_RETRIED: Final = "NotRetried"
SUSPENDED = "Suspended"
"""Reason of an attempt that ended because the job was suspended; it does not count as a failure."""
RESTARTED = "Restarted"
"""Reason of an attempt that ended because an edit started another run; it does not count as a failure."""


@dataclass(frozen=True)
class Run:
    """One run of a DataJob and its progress as of the last status."""

    spec: DataJobSpec
    name: str
    id: str
    public_id: str
    """The identity that its pods receive and write next to the output."""
    digests: Mapping[str, Any]
    """Digests of its spec, as in the status."""
    before: Manifest = field(default_factory=dict)
    """The last status; empty if it belongs to another run."""
    leftovers: tuple[str, ...] = ()
    """The names of earlier runs whose objects may still exist."""
    problems: tuple[str, ...] = ()
    """Why this release would refuse the current spec."""
    accepted: bool = True
    """False if the spec was edited to an invalid one, which does not affect the run."""
    startable: bool = True
    """Whether another attempt can start. If not, `spec` contains only lifecycle fields."""
    replaced: Manifest = field(default_factory=dict)
    """The last status if it belongs to another run, which an edit has replaced."""

    @property
    def attempt(self) -> int:
        """The number of the current attempt, or of the next one if that has ended."""
        numbers = [int(attempt["number"]) for attempt in self._attempts]
        now = int(self.before.get("attempt", max(numbers, default=0) + 1))
        return now + 1 if now in numbers else now

    @property
    def _attempts(self) -> list[Manifest]:
        """The finished attempts of this run. The status also lists those of earlier runs, one of which may be the same one."""
        listed = (*self.before.get("attempts", ()), *self.replaced.get("attempts", ()))
        return [attempt for attempt in listed if run_of_rayjob(attempt["rayJobName"]) == self.name]

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
    def disruptions(self) -> int:
        """The number of attempts so far that Kubernetes disrupted; they are not failures."""
        return int(self.before.get("disruptions", 0))

    @property
    def last_failure_at(self) -> datetime | None:
        """When the previous attempt failed, if it did."""
        attempts = self._attempts
        if not attempts or attempts[-1]["number"] != self.attempt - 1 or attempts[-1]["reason"] in (SUSPENDED, RESTARTED):
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
        return finished(self.before)

    def may_continue(self, now: datetime) -> bool:
        """Whether the limit that ended this failed run was raised."""
        why = true_reason(self.before.get("conditions", ()), "Finished")
        if why == RETRY_LIMIT_REACHED:
            return self.failures <= self.spec.retry.limit
        until = deadline(self.started, self.spec.deadline_seconds)
        return why == DEADLINE_EXCEEDED and (until is None or now < until)


def finished(status: Manifest) -> bool:
    """Whether the run of a status is complete or failed."""
    conditions = status.get("conditions", ())
    return is_true(conditions, "Complete") or is_true(conditions, "Failed")


def needs_check(datajob: Manifest) -> bool:
    """Whether the spec must be parsed. After the end of a run only its lifecycle fields matter, unless it was edited."""
    return not (finished(datajob.get("status") or {}) and _decided(datajob))


def current_run(datajob: Manifest, check: Check = check_spec, passed_id: str = "") -> tuple[Run | None, list[str]]:
    """The run of a DataJob, or the problems that make its spec invalid.

    A spec is judged once: a run that was accepted continues even if this release would refuse its spec, and an invalid edit
    does not affect the current run. `passed_id` is the identity that the pods of the last attempt received, if it is known.
    """
    meta, before = datajob["metadata"], datajob.get("status") or {}
    has_run = str(before.get("runId", "")).startswith(f"{meta['uid']}-")
    if has_run and not needs_check(datajob):
        return _continued(datajob, None, before, passed_id), []
    checked = check(datajob)
    problems = list(checked.problems)
    same = _decided(datajob) or _same_spec(before, checked)
    if has_run and (same or (not problems and _same_run(before, checked))):
        return _continued(datajob, checked, before, passed_id), []
    if checked.spec is None or problems:
        return (_unaffected(datajob, problems, before, passed_id) if has_run else None), problems
    same_result = has_run and _same_result(before, checked)
    identity = before["runId"] if same_result else checked.id
    public = _public_id(before, passed_id) if same_result else public_run_id(identity)
    return Run(
        checked.spec,
        checked.name,
        identity,
        public,
        checked.digests,
        replaced=before if has_run else {},
        leftovers=_leftovers(before, checked.name),
    ), []


def _continued(datajob: Manifest, checked: CheckedSpec | None, before: Manifest, passed_id: str) -> Run:
    """The run that the status describes; `checked` is its spec, unless that no longer matters."""
    spec, problems = (checked.spec, checked.problems) if checked else (None, ())
    recorded = checked.digests if checked else before.get("specDigests") or digests(datajob["spec"])
    return Run(
        spec or lifecycle_only(datajob),
        run_of_rayjob(before.get("rayJobName", "")) or (checked.name if checked else ""),
        before["runId"],
        _public_id(before, passed_id),
        recorded,
        before,
        tuple(before.get("leftoverRuns", ())),
        tuple(problems),
        startable=spec is not None,
    )


def _unaffected(datajob: Manifest, problems: Sequence[str], before: Manifest, passed_id: str) -> Run:
    """The run that continues although its spec was edited to an invalid one."""
    invalid = CheckedSpec(None, tuple(problems), before.get("specDigests", {}))
    return replace(_continued(datajob, invalid, before, passed_id), accepted=False)


def _public_id(before: Manifest, passed_id: str) -> str:
    """The identity that the pods of a run receive: always the same one, because shards are reused by it."""
    if known := before.get("publicRunId"):
        return str(known)
    begun = "rayJobName" in before or before.get("attempts")
    return passed_id or (str(before["runId"]) if begun else public_run_id(before["runId"]))


def _leftovers(status: Manifest, current: str) -> tuple[str, ...]:
    """The runs that a status names, apart from the current one. Their objects are deleted when the next run starts."""
    named = (*status.get("leftoverRuns", ()), run_of_rayjob(status.get("rayJobName", "")))
    return tuple(dict.fromkeys(run for run in named if run not in ("", current)))[-MAX_LEFTOVERS:]


def _decided(datajob: Manifest) -> bool:
    """Whether the status was written for this generation of the spec, which was accepted."""
    status = datajob.get("status") or {}
    same = status.get("observedGeneration") == datajob["metadata"].get("generation", 1)
    return same and is_true(status.get("conditions", ()), "Accepted")


def _same_spec(status: Manifest, checked: CheckedSpec) -> bool:
    """Whether an edit changed nothing but lifecycle fields, and defaults that are written out."""
    if checked.digests["run"] == status.get("specDigests", {}).get("run"):
        return True
    name = run_of_rayjob(status.get("rayJobName", ""))
    return bool(name and name == checked.name and status.get("runId") == checked.id)


def _same_run(status: Manifest, checked: CheckedSpec) -> bool:
    """Whether an edited spec describes the run of a status although it differs: before the first attempt, and after the last
    one, since a complete run stays complete on other hardware."""
    unaffected = "rayJobName" not in status or is_true(status.get("conditions", ()), "Complete")
    return unaffected and _same_result(status, checked)


def _same_result(status: Manifest, checked: CheckedSpec) -> bool:
    """Whether an edited spec computes the same, as stored or apart from defaults that are written out."""
    recorded = status.get("specDigests", {}).get("result")
    return checked.digests["result"] == recorded or bool(status["runId"] == checked.id)
