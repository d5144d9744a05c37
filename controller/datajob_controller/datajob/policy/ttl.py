"""A finished DataJob is deleted some time after its end, when its author asked for that."""

from datetime import datetime, timedelta


def expiry(finished: datetime | None, seconds: int | None) -> datetime | None:
    """When a finished DataJob is deleted, or None."""
    return finished + timedelta(seconds=seconds) if finished and seconds is not None else None
