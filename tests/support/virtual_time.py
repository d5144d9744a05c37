"""An event loop whose clock jumps to the next timer: what takes seconds is tested at once, whatever the load of the machine."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Advance the clock instead of waiting for a timer."""
        if not timeout:
            return super().select(timeout)
        if not (events := super().select(0)):
            self.now += timeout
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Seconds since the start of the loop."""
        return self._clock.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that uses no threads and no network."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)
