"""The deadline counts from the first attempt of a run and spans all of them; a resumed run starts its clock anew."""

from datetime import datetime, timedelta


def deadline(started: datetime | None, seconds: int | None) -> datetime | None:
    """When a run must have ended, or None."""
    return started + timedelta(seconds=seconds) if started and seconds is not None else None
