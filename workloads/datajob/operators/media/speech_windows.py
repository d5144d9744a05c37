"""Audio in the windows that a speech model reads: mono at 16 kHz, cut where speech is least probable.

Long audio is decoded in groups of windows, so that memory does not depend on its duration.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from datajob.media.audio_types import Form
from datajob.operators.media.audio_steps import MAX_SECONDS, AudioSignature
from datajob.operators.media.effects import Conversion
from datajob.operators.media.sounds import Enough
from datajob.operators.media.speech import FRAME, RATE, SpeechMeter, SpeechProbability

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.audio_stream import Block

SPEECH = 0.5
"""Probability from which a frame is speech."""


class Window(NamedTuple):
    """A part of the audio."""

    start: float
    """Seconds since the start of the group."""
    samples: NDArray[np.float32]
    speech: bool
    """Whether silero-vad finds speech."""


class Group(NamedTuple):
    """Consecutive windows."""

    windows: list[Window]
    next: float | None
    """Where the next group starts, in seconds since the start of this one; None at the end of the audio."""


class SpeechWindows(AudioSignature):
    """The first windows of each audio."""

    abstract: ClassVar[bool] = True
    packages: ClassVar[dict[str, str]] = SpeechProbability.packages

    window: float
    """Maximum seconds of a window."""
    group: float
    """Seconds to decode at most: more than two windows."""
    max_duration: float = MAX_SECONDS

    def seconds_limit(self) -> float:
        """The parameter `maxDuration`."""
        return self.max_duration

    def meter(self, form: Form) -> WindowMeter:
        """Collects samples."""
        return WindowMeter(form, round(self.window * RATE), round(max(self.group, 2.1 * self.window) * RATE))


class WindowMeter:
    """Collects the samples of a group, and cuts them."""

    def __init__(self, form: Form, window: int, group: int) -> None:
        mono = Form(RATE, 1)
        self._conversion = None if form == mono else Conversion(form, mono, "HQ")
        self._speech = SpeechMeter(mono)
        self._window, self._left = window, group
        self._found: list[Block] = []
        self._ended = True

    def add(self, block: Block) -> None:
        """The next samples. Raises Enough at the end of the group."""
        self._add(block if self._conversion is None else self._conversion.process(block, last=False))

    def _add(self, block: Block) -> None:
        if self._left < len(block):
            block, self._ended = block[: self._left], False
        self._left -= len(block)
        self._speech.add(block)
        self._found.append(block[:, 0])
        if not self._ended:
            raise Enough

    def value(self) -> Group:
        """The windows."""
        import numpy as np

        if self._conversion is not None and self._ended:
            with suppress(Enough):
                self._add(self._conversion.process(np.zeros((0, 1), np.float32), last=True))
        samples = np.concatenate([*self._found, np.zeros(0, np.float32)])
        speech = self._speech.value()[0]
        edges = self._edges(len(samples), speech)
        windows = [
            Window(start / RATE, samples[start:end], bool((speech[start // FRAME : -(-end // FRAME)] >= SPEECH).any()))
            for start, end in pairwise(edges)
        ]
        return Group(windows, None if self._ended else edges[-1] / RATE)

    def _edges(self, total: int, speech: Any) -> list[int]:
        """Where windows start and end. What is left of a group that has not ended belongs to the next one."""
        edges = [0]
        while total - edges[-1] > self._window:
            low, high = (edges[-1] + self._window // 2) // FRAME, (edges[-1] + self._window) // FRAME
            edges.append((low + int(speech[low:high].argmin())) * FRAME if low < high else edges[-1] + self._window)
        return [*edges, total] if self._ended and edges[-1] < total else edges
