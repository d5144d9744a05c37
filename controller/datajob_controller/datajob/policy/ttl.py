"""A finished DataJob is deleted after its time to live, if it has one."""

from datetime import datetime, timedelta


def expiry(finished: datetime | None, seconds: int | None) -> datetime | None:
    """When a finished DataJob is deleted, or None."""
    return finished + timedelta(seconds=seconds) if finished and seconds is not None else None
