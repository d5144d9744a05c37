"""How a DataJob on a cluster ended, according to its status. Pure functions; `submission` sends the requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datajob.errors import DataJobError, InvalidJob, NotComplete

Manifest = Mapping[str, Any]
"""An object as the API server returns it."""
_BY_REASON = {error.__name__: error for error in DataJobError.__subclasses__()}
_INVALID = {"InvalidSpec", "InvalidJob"}


@dataclass(frozen=True)
class Outcome:
    """How a DataJob ended."""

    error: type[DataJobError] | None
    """The error that a local run would raise; None if the job is complete."""
    message: str


def outcome(job: Manifest, generation: int) -> Outcome | None:
    """How a job ended, or None while it has not ended.

    Args:
        job: The DataJob with its status.
        generation: The generation that was submitted. A status for an earlier one is not about the submitted spec.
    """
    status = job.get("status") or {}
    if int(status.get("observedGeneration") or 0) < generation or condition(job, "Finished").get("status") != "True":
        return None
    if condition(job, "Complete").get("status") == "True":
        return Outcome(None, "")
    accepted = condition(job, "Accepted")
    if accepted.get("status") == "False":
        return Outcome(InvalidJob, str(accepted.get("message", "")))
    failed = condition(job, "Failed")
    reason = str(failed.get("reason") or status.get("reason") or "")
    error = InvalidJob if reason in _INVALID else _BY_REASON.get(reason, NotComplete)
    return Outcome(error, f"{reason}: {failed.get('message', '')}".strip(": "))


def condition(job: Manifest, kind: str) -> Manifest:
    """A condition of a job; empty if the controller has not set it."""
    found: list[Manifest] = [one for one in (job.get("status") or {}).get("conditions", ()) if one.get("type") == kind]
    return found[0] if found else {}


def progress_line(job: Manifest) -> str:
    """The phase, what the job waits for, and the progress, in one line."""
    status = job.get("status") or {}
    phase, progress = str(status.get("phase") or "Pending"), status.get("progress") or {}
    parts = [f"{phase} ({status['reason']})" if status.get("reason") and phase != "Running" else phase]
    if phase == "Running" and progress.get("shardsTotal"):
        parts.append(
            f"{progress.get('percent', 0)} %, {progress.get('rowsIn', 0):,} rows in, {progress.get('rowsOut', 0):,} out"
        )
        if progress.get("rowsFailed"):
            parts.append(f"{progress['rowsFailed']:,} failed")
        if progress.get("etaSeconds") is not None:
            parts.append(f"about {_duration(progress['etaSeconds'])} left")
    waiting = condition(job, "Reconciling") if phase in ("Pending", "Starting", "Retrying") else {}
    if waiting.get("message"):
        parts.append(str(waiting["message"]).splitlines()[0])
    return ", ".join(parts)


def _duration(seconds: int) -> str:
    hours, minutes = divmod(max(seconds, 0) // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"
