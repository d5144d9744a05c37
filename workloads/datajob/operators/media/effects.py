"""Effects on audio: other rates and channels, and gains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datajob.operators.media.meters import SILENCE, Loudness, TruePeak, decibels

if TYPE_CHECKING:
    from datajob.media.audio_stream import Block
    from datajob.media.audio_types import Form

NEGLIGIBLE = 0.01
"""Decibels of a gain that is not applied."""


class Conversion:
    """Another sample rate and number of channels."""

    def __init__(self, before: Form, form: Form, quality: str) -> None:
        import soxr

        self.form = form
        self._mix = before.channels > form.channels
        self._channels = before.channels
        resamples = before.rate != form.rate
        self._mixed = mixed = min(before.channels, form.channels)
        self._stream = (
            soxr.ResampleStream(before.rate, form.rate, mixed, dtype="float32", quality=quality) if resamples else None
        )

    def process(self, block: Block, last: bool) -> Block:
        """Mix, resample, repeat."""
        import numpy as np

        if last:
            block = np.zeros((0, self._channels), np.float32)
        if self._mix:
            block = _mono(block)
        if self._stream is not None:
            found = self._stream.resample_chunk(np.ascontiguousarray(block), last=last)
            block = found.reshape(-1, self._mixed)
        if block.shape[1] < self.form.channels:
            block = np.repeat(block, self.form.channels, axis=1)
        return np.ascontiguousarray(block, np.float32)


def _mono(block: Block) -> Block:
    """The mean of the channels."""
    import numpy as np

    if block.shape[1] == 2:
        return ((block[:, 0] + block[:, 1]) * np.float32(0.5)).reshape(-1, 1)
    return np.asarray(block.mean(axis=1, dtype=np.float32, keepdims=True))


class Gain:
    """A constant gain in dB."""

    def __init__(self, form: Form, gain: float) -> None:
        import numpy as np

        self.form = form
        self._factor = np.float32(10 ** (gain / 20))

    def process(self, block: Block, last: bool) -> Block:
        """Multiply."""
        import numpy as np

        return np.asarray(block * self._factor)


class LoudnessAndPeak:
    """Measures what a gain depends on."""

    def __init__(self, form: Form) -> None:
        self._loudness, self._peak = Loudness(form), TruePeak(form)

    def add(self, block: Block) -> None:
        """Measure both."""
        self._loudness.add(block)
        self._peak.add(block)

    def value(self) -> tuple[float, float]:
        """LUFS and dBTP."""
        return self._loudness.value(), 2 * decibels(self._peak.value())


def limited_gain(measured: tuple[float, float], target: float, max_gain: float, max_peak: float) -> float:
    """The gain in dB to reach the target; 0 for silence and for gains that are not audible."""
    loudness, peak = measured
    if loudness <= SILENCE:
        return 0.0
    gain = min(target - loudness, max_gain, max(0.0, max_peak - peak) if target > loudness else 0.0)
    return 0.0 if abs(gain) < NEGLIGIBLE else gain
