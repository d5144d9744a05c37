"""Wait for a condition with a deadline."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SECONDS = 240.0
"""A deadline that a slow machine with other load meets, and that is shorter than the timeout of a test."""
_pause = threading.Event()


class TooLate(Exception):
    """The condition was not true in time."""


def wait_for(condition: Callable[[], T], what: str | Callable[[], str], seconds: float = SECONDS, every: float = 0.2) -> T:
    """Poll a condition until it is true and return its value. Raises TooLate with `what` after the deadline.

    The last poll is after the deadline, however long this process was not scheduled.
    """
    deadline, late = time.monotonic() + seconds, False
    while not (answer := condition()):
        if late:
            raise TooLate(f"timed out after {seconds:.0f} s waiting for {what if isinstance(what, str) else what()}")
        _pause.wait(every)
        late = time.monotonic() > deadline
    return answer
