"""Waits for a condition with a deadline: the one place of the test clusters that lets time pass."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_pause = threading.Event()


class TooLate(Exception):
    """The condition did not come true in time."""


def wait_for(condition: Callable[[], T], what: str, seconds: float, every: float = 0.2) -> T:
    """Ask until the answer is true, and give it back; say what was waited for when the deadline passes."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TooLate(f"waited {seconds:.0f} s in vain: {what}")
        _pause.wait(every)
    return answer
