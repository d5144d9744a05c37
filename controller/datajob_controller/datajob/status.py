"""Tells what happens to a DataJob: conditions, phase, attempts, progress, and the Events that go with transitions."""

from datetime import datetime

from pydantic import ValidationError

from datajob.api.report import Report
from datajob.api.status import DataJobStatus, Phase
from datajob_controller.datajob.policy.conditions import ConditionUpdate, ConditionUpdates, conditions
from datajob_controller.datajob.policy.failure import Failure
from datajob_controller.datajob.policy.pods import Trouble
from datajob_controller.datajob.report import projected
from datajob_controller.datajob.run import SUSPENDED, Run
from datajob_controller.datajob.types import Event, Obstacle
from datajob_controller.runtime.manifests import Manifest, rfc3339

KEPT_ATTEMPTS = 10
MAX_EVENT = 1000
ACCEPTED: ConditionUpdates = {"Accepted": ("True", "Valid", "The spec can run.")}


class StatusBuilder:
    """The new status of one DataJob while it is decided, and the Events that belong to it.

    Each method tells one thing that is so now; the last one told is what the status says.
    """

    def __init__(self, datajob: Manifest, run: Run | None, now: datetime) -> None:
        self._before: Manifest = datajob.get("status") or {}
        self._generation = int(datajob["metadata"].get("generation", 1))
        self._run = run
        self._now = now
        self._status: Manifest = {**run.before, "runId": run.id, "failures": run.failures} if run else {}
        self._conditions: list[Manifest] = []
        self._attempt_began: str | None = None
        self.events: list[Event] = []

    def changed(self) -> Manifest | None:
        """The status to write, or None when nothing of it is new."""
        status = {**self._status, "observedGeneration": self._generation, "conditions": self._conditions}
        try:
            same = DataJobStatus.model_validate(self._before) == DataJobStatus.model_validate(status)
        except ValidationError:  # written by another version of the controller
            same = False
        return None if same else status

    def rejected(self, problems: str) -> None:
        """The spec cannot run."""
        said: ConditionUpdates = {"Accepted": ("False", "InvalidSpec", problems), "Stalled": ("True", "InvalidSpec", problems)}
        self._tell("Pending", said, Event("Warning", "InvalidSpec", problems))

    def set_waiting_for_previous(self, name: str) -> None:
        """The pods of an earlier attempt are still going: two drivers must never write at once."""
        self._reconciling("Pending", "PreviousEnding", f"Waits for the end of {name}.")

    def set_starting(self, run: Run) -> None:
        """The RayJob of an attempt is made."""
        self._status |= {"attempt": run.attempt, "rayJobName": run.ray_job}
        if not run.spec.queue_name:
            self._status.setdefault("started", rfc3339(self._now))
        self._reconciling("Starting", "ClusterStarting", f"RayJob {run.ray_job} was created.", tell=True)

    def set_live(self, run: Run, ray_job: Manifest, report: Report | None) -> None:
        """An attempt is there; take over what its driver reports."""
        self._status |= {"attempt": run.attempt, "rayJobName": run.ray_job}
        self._attempt_began = ray_job["metadata"].get("creationTimestamp")
        self._project(report, run.before)

    def set_waiting_for_cluster(self, name: str, why: Trouble | None) -> None:
        """The Ray cluster of an attempt comes up."""
        self._status.setdefault("started", rfc3339(self._now))
        if why:
            self._reconciling("Starting", why.reason, why.message, tell=True, warning=True)
        else:
            self._reconciling("Starting", "ClusterStarting", f"RayJob {name} was created.")

    def queued(self, queue: str) -> None:
        """A queue holds the RayJob back."""
        self._reconciling("Pending", "Queued", f"Waits for admission by the queue {queue}.", tell=True)

    def set_running(self) -> None:
        """The driver runs."""
        self._status.setdefault("started", rfc3339(self._now))
        running: ConditionUpdate = ("True", "DriverRunning", "The driver is running.")
        self._tell("Running", {**ACCEPTED, "Running": running, "Reconciling": running})

    def completed(self) -> None:
        """The run succeeded."""
        rows = self._status.get("output", {}).get("rows")
        message = "The job is complete." if rows is None else f"The job is complete: {rows} rows written."
        self._status.setdefault("started", rfc3339(self._now))
        self._status["finished"] = rfc3339(self._now)
        self._tell("Complete", {**ACCEPTED, "Complete": ("True", "Succeeded", message)}, Event("Normal", "Completed", message))

    def attempt_failed(self, run: Run, failure: Failure, retry_at: datetime | None) -> None:
        """An attempt ended badly; `retry_at` says when the next one begins, None that there is none."""
        self._close_attempt(run, failure.reason, failure.message)
        self._status["failures"] = run.failures + 1
        if retry_at:
            self.set_waiting_for_retry(retry_at)
            said = f"Attempt {run.attempt} failed and is tried again at {rfc3339(retry_at)}: {failure.message}"
            self.events.append(Event("Warning", failure.reason, said[:MAX_EVENT]))

    def set_waiting_for_retry(self, due: datetime) -> None:
        """The wait before the next attempt."""
        last = self._status["attempts"][-1]
        message = f"Attempt {last['number']} failed; the next one begins at {rfc3339(due)}. {last['message']}"
        self._reconciling("Retrying", last["reason"], message)

    def failed(self, failure: Failure) -> None:
        """The run is given up."""
        self._status["finished"] = rfc3339(self._now)
        state: ConditionUpdate = ("True", failure.reason, failure.message)
        self._tell("Failed", {**ACCEPTED, "Failed": state, "Stalled": state}, Event("Warning", failure.reason, failure.message))

    def suspended(self, run: Run) -> None:
        """The author holds the job back."""
        if run.has_begun:
            self._close_attempt(run, SUSPENDED, "The job was suspended.")
        message = "Suspended by spec.suspend; finished shards are kept."
        said: ConditionUpdates = {**ACCEPTED, "Suspended": ("True", "SuspendedByAuthor", message)}
        self._tell("Suspended", said, Event("Normal", "Suspended", message))

    def resumed(self) -> None:
        """The job goes on after a suspension; its deadline counts anew."""
        self._status.pop("started", None)
        self.events.append(Event("Normal", "Resumed", "The job goes on where its finished shards end."))

    def kuberay_missing(self) -> None:
        """There is nobody who knows RayJobs."""
        self._stalled("KubeRayMissing", "The cluster does not serve RayJobs (ray.io/v1): install the KubeRay operator.")

    def set_obstacle(self, obstacle: Obstacle) -> None:
        """The API server does not take an object."""
        self._stalled(obstacle.reason, obstacle.message)

    def keep_finished(self, run: Run, late: Report | None) -> None:
        """Nothing new but, at most, the last report and the generation of an edit without effect."""
        if late and late.state == "complete":
            self._project(late, run.before)
        self._conditions = [{**condition, "observedGeneration": self._generation} for condition in run.before["conditions"]]

    def _project(self, report: Report | None, before: Manifest) -> None:
        for key in ("progress", "steps", "output"):
            self._status.pop(key, None)
        self._status |= projected(report, before)

    def _reconciling(self, phase: Phase, reason: str, message: str, *, tell: bool = False, warning: bool = False) -> None:
        event = Event("Warning" if warning else "Normal", reason, message)
        self._tell(phase, {**ACCEPTED, "Reconciling": ("True", reason, message)}, *([event] if tell else []))

    def _stalled(self, reason: str, message: str) -> None:
        self._tell("Pending", {**ACCEPTED, "Stalled": ("True", reason, message)}, Event("Warning", reason, message))

    def _tell(self, phase: Phase, said: ConditionUpdates, *events: Event) -> None:
        """Say it; Events are only for what was not said before."""
        self._status["phase"] = phase
        before = self._before.get("conditions", ())
        self._conditions = conditions(said, before, self._generation, self._now)
        known = {(c["type"], c["status"], c["reason"]) for c in before}
        if any((c["type"], c["status"], c["reason"]) not in known for c in self._conditions):
            self.events += [event._replace(message=event.message[:MAX_EVENT]) for event in events]

    def _close_attempt(self, run: Run, reason: str, message: str) -> None:
        ended = {
            "number": run.attempt,
            "rayJobName": run.ray_job,
            "reason": reason,
            "message": message,
            **({"started": self._attempt_began} if self._attempt_began else {}),
            "finished": rfc3339(self._now),
        }
        self._status |= {"attempt": run.attempt, "rayJobName": run.ray_job}
        self._status["attempts"] = [*self._status.get("attempts", ()), ended][-KEPT_ATTEMPTS:]
