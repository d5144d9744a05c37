"""For work that takes long by its nature: an item may take longer than its time limit as long as it makes progress."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import ClassVar

from datajob.media.isolation import frames


@dataclass
class Progress:
    """The timer of the current item in the child process, and what its parent watches."""

    current: ClassVar[Progress | None] = None
    """None outside of the child."""
    cell: int
    seconds: float
    beats: int = 0

    def made(self) -> None:
        """Start the time limit of the item again."""
        self.beats += 1
        os.pwrite(self.cell, frames.CELL.pack(self.beats), frames.CELL.size)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)


def progress_made() -> None:
    """The current item has made progress, such as a second of audio: its time limit starts again.

    The caller bounds the total, such as by the duration of the audio.
    """
    if Progress.current is not None:
        Progress.current.made()
