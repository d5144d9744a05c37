"""Which run a DataJob is in, from its spec and the status that was written last."""

from dataclasses import dataclass, field
from datetime import datetime

from datajob.api.checks import check
from datajob.api.loading import parse_object
from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import rayjob, run_id, run_name
from datajob_controller.datajob.policy.conditions import is_true
from datajob_controller.runtime.manifests import Manifest, moment

SUSPENDED = "Suspended"
"""Reason of an attempt that its author ended; it is no failure."""


@dataclass(frozen=True)
class Run:
    """One recipe of a DataJob and how far it got, as of the last status."""

    spec: DataJobSpec
    name: str
    id: str
    before: Manifest = field(default_factory=dict)
    """The last status, empty when it speaks of another run."""

    @property
    def attempt(self) -> int:
        """The number of the attempt that is under way or comes next."""
        now = int(self.before.get("attempt", 1))
        ended = any(attempt["number"] == now for attempt in self.before.get("attempts", ()))
        return now + 1 if ended else now

    @property
    def ray_job(self) -> str:
        """The name of that attempt's RayJob."""
        return rayjob(self.name, self.attempt)

    @property
    def has_begun(self) -> bool:
        """Whether that RayJob was made at some time."""
        return bool(self.before.get("rayJobName") == self.ray_job)

    @property
    def failures(self) -> int:
        """Failed attempts so far."""
        return int(self.before.get("failures", 0))

    @property
    def last_failure_at(self) -> datetime | None:
        """When the attempt before this one failed, if it did."""
        attempts = self.before.get("attempts") or ()
        if not attempts or attempts[-1]["number"] != self.attempt - 1 or attempts[-1]["reason"] == SUSPENDED:
            return None
        return moment(attempts[-1]["finished"])

    @property
    def started(self) -> datetime | None:
        """When the deadline's clock began."""
        return None if self.was_suspended else moment(self.before.get("started"))

    @property
    def was_suspended(self) -> bool:
        """Whether the author had suspended it."""
        return is_true(self.before.get("conditions", ()), "Suspended")

    @property
    def finished(self) -> bool:
        """Whether it is complete or failed."""
        conditions = self.before.get("conditions", ())
        return is_true(conditions, "Complete") or is_true(conditions, "Failed")


def open_run(datajob: Manifest) -> tuple[Run | None, list[str]]:
    """The run of a DataJob, or why its spec cannot run."""
    job, problems = parse_object({key: value for key, value in datajob.items() if key != "status"})
    if job is not None:
        problems = check(job, on_cluster=True)
    wrong = [str(problem) for problem in problems if not problem.warning]
    if job is None or wrong:
        return None, wrong
    meta = datajob["metadata"]
    name, identity = run_name(meta["name"], meta["uid"], job.spec), run_id(meta["uid"], job.spec)
    before = datajob.get("status") or {}
    return Run(job.spec, name, identity, before if _is_of(before, name, identity) else {}), []


def run_of(ray_job: str) -> str:
    """The name of the run that a RayJob belongs to."""
    return ray_job.rpartition("-")[0]


def _is_of(status: Manifest, name: str, identity: str) -> bool:
    """Whether a status speaks of this run. What is complete stays so while its recipe is the same, whatever its hardware."""
    if status.get("runId") != identity:
        return False
    return is_true(status.get("conditions", ()), "Complete") or run_of(status.get("rayJobName", "")) in ("", name)
