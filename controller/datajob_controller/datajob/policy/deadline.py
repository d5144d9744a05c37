"""The deadline of a run counts from its first attempt and includes retries. It starts again when the job is resumed."""

from datetime import datetime, timedelta


def deadline(started: datetime | None, seconds: int | None) -> datetime | None:
    """When a run must have finished, or None."""
    return started + timedelta(seconds=seconds) if started and seconds is not None else None
