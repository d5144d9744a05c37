"""What is known about an attempt that has a RayJob, and the result of its assessment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from datajob.api.report import Report
from datajob_controller.datajob.policy.failure import Failure
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.shared.policy.problem import Problem


@dataclass(frozen=True)
class Attempt:
    """An attempt that has a RayJob, which has not ended."""

    ray_job: Manifest
    pods: list[Manifest]
    now: datetime
    settings: JobSettings
    warnings: Mapping[str, str] = field(default_factory=dict)
    """The last warning Event of each pod whose containers are not created."""
    start_seconds: int = 3600
    queued: bool = False
    report: Report | None = None
    """What the driver of this attempt reports."""

    @property
    def job_status(self) -> str:
        """The state of the driver according to KubeRay; empty before it is submitted."""
        return str(self.ray_job.get("status", {}).get("jobStatus") or "")

    @property
    def driver_runs(self) -> bool:
        """Whether the driver has started. It reports even if KubeRay does not."""
        return self.report is not None or self.job_status not in ("", "PENDING")

    @property
    def started(self) -> datetime | None:
        """When KubeRay could start with the RayJob; None while it is unknown whether a queue has admitted it."""
        created = None if self.queued else self.ray_job["metadata"].get("creationTimestamp")
        return parse_time(self.ray_job.get("status", {}).get("startTime") or created)


@dataclass(frozen=True)
class Assessment:
    """The result: the attempt failed, or it continues."""

    failure: Failure | None = None
    problem: Problem | None = None
    """What it waits for."""
    recheck_at: datetime | None = None
