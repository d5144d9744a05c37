"""Builds the status of a DataJob: conditions, phase, attempts, progress, and the Events that go with transitions."""

from datetime import datetime

from pydantic import ValidationError

from datajob.api.report import Report
from datajob.api.status import DataJobStatus, Phase
from datajob_controller.datajob.conditions import TYPES, ConditionUpdates
from datajob_controller.datajob.fitting import fitted
from datajob_controller.datajob.messages import FINISHED, PREVIOUS_TERMINATING, outcome, starting
from datajob_controller.datajob.policy.failure import Failure
from datajob_controller.datajob.policy.kuberay import NOT_RESPONDING, STUCK
from datajob_controller.datajob.report import SHOWN, projected
from datajob_controller.datajob.run import DEADLINE_EXCEEDED, NOT_RETRIED, RESTARTED, SUSPENDED, FinishedReason, Run
from datajob_controller.datajob.specs import changed_fields
from datajob_controller.runtime.manifests import Manifest, rfc3339
from datajob_controller.runtime.types import Event, Obstacle
from datajob_controller.shared.policy.conditions import (
    ConditionUpdate,
    conditions,
    deciding_reason,
    is_true,
    true_reason,
)
from datajob_controller.shared.policy.problem import Problem
from datajob_controller.shared.text import bounded, listed_problems, shortened

KEPT_ATTEMPTS = 10
MAX_EVENT = 1000
VALID: ConditionUpdate = ("True", "Valid", "The spec is valid.")


class StatusBuilder:
    """The new status of one DataJob while it is decided, and the Events that go with it.

    Each `set_` method records one fact about the present; the last one determines phase and conditions.
    """

    def __init__(self, datajob: Manifest, run: Run | None, now: datetime) -> None:
        self._before: Manifest = datajob.get("status") or {}
        self._generation = int(datajob["metadata"].get("generation", 1))
        self._now = now
        self._status: Manifest = {**run.before, **_identity(run), "failures": run.failures} if run else dict(self._before)
        if run and run.leftovers:
            self._status["leftoverRuns"] = list(run.leftovers)
        self._accepted = _accepted(run) if run else VALID
        self._conditions: list[Manifest] = []
        self._attempt_started: str | None = None
        self.events: list[Event] = []

    def changed(self) -> Manifest | None:
        """The status to write, or None if it is the same as before."""
        self._report_verdict()
        status = fitted({**self._status, "observedGeneration": self._generation, "conditions": self._conditions})
        try:
            same = DataJobStatus.model_validate(self._before) == DataJobStatus.model_validate(status)
        except ValidationError:  # written by another version of the controller
            same = False
        return None if same else status

    def set_invalid(self, problems: str) -> None:
        """No attempt can start with this spec. The status keeps what earlier attempts did."""
        self._accepted = ("False", "InvalidSpec", problems)
        updates: ConditionUpdates = {
            "Stalled": ("True", "InvalidSpec", problems),
            "Finished": ("True", "InvalidSpec", "The spec is invalid. Edit it to start the job."),
        }
        self._set("Invalid", updates)

    def set_suspended(self, run: Run, stuck: str | None) -> None:
        """The user has suspended the job; `stuck` states why its pods can still run."""
        if run.has_begun:
            self._close_attempt(run, SUSPENDED, "The job was suspended.")
        message = "The job is suspended (spec.suspend). Committed shards will be reused when it is resumed."
        if stuck:
            message = f"{message} {stuck}"
            event = Event("Warning", NOT_RESPONDING, message)
            self._set("Suspended", {"Suspended": ("True", NOT_RESPONDING, message)}, event)
            return
        updates: ConditionUpdates = {"Suspended": ("True", "SuspendedByUser", message)}
        self._set("Suspended", updates, Event("Normal", "Suspended", message))

    def set_resumed(self) -> None:
        """The job continues after a suspension; its deadline starts again."""
        self._status.pop("started", None)
        self.events.append(Event("Normal", "Resumed", "The job was resumed. Committed shards are reused."))

    def set_restarted(self, run: Run, started: str | None) -> None:
        """An edit has replaced an earlier run; `started` is the time at which its last attempt began."""
        before = run.replaced
        what = changed_fields(before.get("specDigests", {}).get("fields", {}), run.digests["fields"])
        message = f"Restarted because {what} changed."
        attempts = before.get("attempts", ())
        name, ended = before.get("rayJobName"), {attempt["rayJobName"] for attempt in attempts}
        if name and name not in ended:
            complete = true_reason(before.get("conditions", ()), "Complete")
            last = self._ended(int(before.get("attempt", 1)), name, complete or RESTARTED, "" if complete else message, started)
            kept = {key: before[key] for key in ("log", *(["finished"] if complete else [])) if key in before}
            attempts = [*attempts, last | kept]
        if attempts:
            self._status["attempts"] = [*attempts][-KEPT_ATTEMPTS:]
        self.events.append(Event("Normal", RESTARTED, message))

    def set_kuberay_missing(self) -> None:
        """The API server does not serve RayJobs."""
        message = "The cluster does not serve RayJobs (ray.io/v1). Install the KubeRay operator."
        self._set_stalled("KubeRayMissing", message)

    def set_obstacle(self, obstacle: Obstacle) -> None:
        """The API server refuses an object."""
        self._set_stalled(obstacle.reason, obstacle.message)

    def set_waiting_for_previous(self, name: str, stuck: str | None) -> None:
        """The pods of an earlier attempt still terminate: two drivers must never write at the same time."""
        message = f"Waiting for {name} of the previous attempt to terminate."
        if stuck:
            message = f"{message} {stuck}"
            self._set_reconciling("Pending", NOT_RESPONDING, message, Event("Warning", NOT_RESPONDING, message))
        else:
            self._set_reconciling("Pending", PREVIOUS_TERMINATING, message)

    def set_starting(self, run: Run) -> None:
        """The RayJob of an attempt is created, and the objects of earlier runs are deleted."""
        self._status.pop("leftoverRuns", None)
        self._status |= {"attempt": run.attempt, "rayJobName": run.ray_job}
        self._status.pop("log", None)
        if not run.spec.queue_name:
            self._status.setdefault("started", rfc3339(self._now))
        event = Event("Normal", "ClusterStarting", starting(run.ray_job))
        self._set_reconciling("Starting", "ClusterStarting", starting(run.ray_job), event)

    def set_live(self, run: Run, ray_job: Manifest, report: Report | None) -> None:
        """The attempt has a RayJob; take over what its driver reports."""
        self._status |= {"attempt": run.attempt, "rayJobName": run.ray_job}
        self._attempt_started = ray_job["metadata"].get("creationTimestamp")
        if report and report.log:
            self._status["log"] = bounded(report.log)
        self._project(report, run.before)

    def set_queued(self, queue: str) -> None:
        """A queue has not admitted the RayJob yet, or has preempted it: the deadline starts again."""
        self._status.pop("started", None)
        message = f"Waiting for admission by the queue {queue}."
        self._set_reconciling("Pending", "Queued", message, Event("Normal", "Queued", message))

    def set_waiting_for_cluster(self, name: str, why: Problem | None, *, submitted: bool = False) -> None:
        """The Ray cluster starts or, if the driver was `submitted`, has started; `why` prevents the driver from running."""
        self._status.setdefault("started", rfc3339(self._now))
        if why:
            self._set_reconciling("Starting", why.reason, why.message, Event("Warning", why.reason, why.message))
        elif submitted:
            self._set_reconciling(
                "Starting", "DriverPending", f"RayJob {name}: the driver was submitted. Waiting for Ray to start it."
            )
        else:
            self._set_reconciling("Starting", "ClusterStarting", starting(name))

    def set_running(self, why: Problem | None) -> None:
        """The driver runs; `why` is what prevents workers from running."""
        self._status.setdefault("started", rfc3339(self._now))
        running: ConditionUpdate = ("True", "DriverRunning", "The driver is running.")
        reconciling: ConditionUpdate = ("True", why.reason, why.message) if why else running
        updates: ConditionUpdates = {"Running": running, "Reconciling": reconciling}
        self._set("Running", updates, *([Event("Warning", why.reason, why.message)] if why else []))

    def set_complete(self) -> None:
        """The run succeeded."""
        rows = self._status.get("output", {}).get("rows")
        message = "The job is complete." if rows is None else f"The job is complete: {rows} rows written."
        self._status.setdefault("started", rfc3339(self._now))
        self._status["finished"] = rfc3339(self._now)
        succeeded: ConditionUpdate = ("True", "Succeeded", message)
        updates: ConditionUpdates = {"Complete": succeeded, "Finished": succeeded}
        self._set("Complete", updates, Event("Normal", "Completed", message))

    def set_attempt_failed(
        self, run: Run, failure: Failure, due: datetime | None, note: str = "", *, interrupted: bool = False
    ) -> None:
        """An attempt failed, or was `interrupted`; the next one is `due` at a time, with a `note`, or never."""
        self._close_attempt(run, failure.reason, failure.message)
        if interrupted:
            self._status["disruptions"] = run.disruptions + 1
            self._status["attempts"][-1]["interrupted"] = True
        else:
            self._status["failures"] = run.failures + 1
        if due:
            self.set_waiting_for_retry(due)
            message = f"{outcome(self._status['attempts'][-1])}; the next one starts at {rfc3339(due)}{note}. {failure.message}"
            self.events.append(Event("Warning", failure.reason, shortened(message, MAX_EVENT)))

    def set_waiting_for_retry(self, due: datetime) -> None:
        """The delay before the next attempt."""
        last = self._status["attempts"][-1]
        message = f"{outcome(last)}; the next one starts at {rfc3339(due)}. {last['message']}"
        self._set_reconciling("Retrying", last["reason"], message)

    def set_failed(self, failure: Failure, why: FinishedReason) -> None:
        """The run failed, and `why` there is no further attempt."""
        self._status["finished"] = rfc3339(self._now)
        state: ConditionUpdate = ("True", failure.reason, failure.message)
        event = Event("Warning", failure.reason, failure.message)
        self._set("Failed", {"Failed": state, "Stalled": state, "Finished": ("True", why, FINISHED[why])}, event)

    def keep_finished(self, run: Run, late: Report | None, stuck: str | None) -> None:
        """The run ended earlier: only the last report and the generation of an edit without effect can be new, and `stuck`,
        which states why its pods can still run."""
        if late and late.state == "complete":
            self._project(late, run.before)
        before = run.before["conditions"]
        kept = {condition["type"]: condition for condition in before}
        failed = true_reason(before, "Failed")
        self._status.setdefault("reason", failed or true_reason(before, "Complete"))
        if "Finished" not in kept:  # written by an earlier version of the controller
            why = (DEADLINE_EXCEEDED if failed == DEADLINE_EXCEEDED else NOT_RETRIED) if failed else "Succeeded"
            updates: ConditionUpdates = {"Finished": ("True", why, FINISHED.get(why, "The job is complete."))}
            kept["Finished"] = next(c for c in conditions(TYPES, updates, before, 0, self._now) if c["type"] == "Finished")
        own = kept["Finished"]["message"].partition(" " + STUCK)[0]
        kept["Finished"] = {**kept["Finished"], "message": f"{own} {stuck}" if stuck else own}
        if not (run.accepted and is_true(before, "Accepted")):
            kept |= self._verdict(run, before)
        self._conditions = [{**condition, "observedGeneration": self._generation} for condition in kept.values()]

    def _verdict(self, run: Run, before: list[Manifest]) -> dict[str, Manifest]:
        """The conditions of a finished run that an invalid edit changes, and that a later edit restores."""
        failed = next((c for c in before if c["type"] == "Failed" and c["status"] == "True"), None)
        stalled: ConditionUpdate = ("True", failed["reason"], failed["message"]) if failed else ("False", "Succeeded", "")
        if not run.accepted:
            stalled = ("True", "InvalidSpec", self._accepted[2])
        updates: ConditionUpdates = {"Accepted": self._accepted, "Stalled": stalled}
        return {c["type"]: c for c in conditions(TYPES, updates, before, self._generation, self._now) if c["type"] in updates}

    def set_continued(self) -> None:
        """A failed run continues because a limit was raised."""
        self._status.pop("finished", None)
        message = "The job continues because the limit that ended it was raised. Committed shards are reused."
        self.events.append(Event("Normal", "Continued", message))

    def _project(self, report: Report | None, before: Manifest) -> None:
        for key in SHOWN:
            self._status.pop(key, None)
        self._status |= projected(report, before)

    def _set_reconciling(self, phase: Phase, reason: str, message: str, *events: Event) -> None:
        self._set(phase, {"Reconciling": ("True", reason, message)}, *events)

    def _set_stalled(self, reason: str, message: str) -> None:
        self._set("Pending", {"Stalled": ("True", reason, message)}, Event("Warning", reason, message))

    def _set(self, phase: Phase, updates: ConditionUpdates, *events: Event) -> None:
        """Set phase and conditions; Events are published only for transitions."""
        self._status |= {"phase": phase, "reason": deciding_reason(TYPES, updates)}
        before = self._before.get("conditions", ())
        self._conditions = conditions(TYPES, {"Accepted": self._accepted, **updates}, before, self._generation, self._now)
        known = {(c["type"], c["status"], c["reason"]) for c in before}
        new = {(c["type"], c["status"], c["reason"]) for c in self._conditions if c["type"] != "Finished"}  # implied by others
        if new - known:
            self.events += [event._replace(message=shortened(event.message, MAX_EVENT)) for event in events]

    def _report_verdict(self) -> None:
        """Publish an Event when the spec is first found to have problems."""
        known = {(c["type"], c["reason"], c["message"]) for c in self._before.get("conditions", ())}
        for found in self._conditions:
            verdict = (found["type"], found["reason"], found["message"])
            if found["type"] == "Accepted" and found["reason"] != VALID[1] and verdict not in known:
                self.events.append(Event("Warning", found["reason"], shortened(found["message"], MAX_EVENT)))

    def _close_attempt(self, run: Run, reason: str, message: str) -> None:
        ended = self._ended(run.attempt, run.ray_job, reason, message, self._attempt_started)
        if "log" in self._status:
            ended["log"] = self._status["log"]
        self._status |= {"attempt": run.attempt, "rayJobName": run.ray_job}
        self._status["attempts"] = [*self._status.get("attempts", ()), ended][-KEPT_ATTEMPTS:]

    def _ended(self, number: int, ray_job: str, reason: str, message: str, started: str | None) -> Manifest:
        return {
            "number": number,
            "rayJobName": ray_job,
            "reason": reason,
            "message": shortened(message),
            **({"started": started} if started else {}),
            "finished": rfc3339(self._now),
        }


def _identity(run: Run) -> Manifest:
    """What identifies a run in later decisions, by this and by other releases."""
    digests = {"specDigests": run.digests} if run.digests else {}
    return {"runId": run.id, "publicRunId": run.public_id, **digests}


def _accepted(run: Run) -> ConditionUpdate:
    listed = listed_problems(run.problems)
    if not run.accepted:
        return "False", "InvalidSpec", f"{listed}. The edit has no effect: the run continues with the previous spec."
    if run.problems:
        message = f"The spec was accepted earlier, so the run continues. This version of the controller reports: {listed}"
        return "True", "AcceptedEarlier", message
    return VALID
