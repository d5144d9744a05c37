"""The deadline of a run counts from its first attempt and includes retries; the start deadline counts for each attempt."""

from datetime import datetime, timedelta

from datajob_controller.runtime.manifests import Manifest, parse_time


def deadline(started: datetime | None, seconds: int | None) -> datetime | None:
    """When a run must have finished, or None."""
    return started + timedelta(seconds=seconds) if started and seconds is not None else None


def start_deadline(ray_job: Manifest, seconds: int, *, queued: bool) -> datetime | None:
    """When an attempt counts as failed because its driver has not started. `queued`: a queue decides when the time begins."""
    status, meta = ray_job.get("status", {}), ray_job["metadata"]
    since = parse_time(status.get("startTime") or (None if queued else meta.get("creationTimestamp")))
    return since + timedelta(seconds=seconds) if since else None
