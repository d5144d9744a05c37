"""Meters of audio: loudness, windows, clipping, bandwidth. Each sees the samples block by block."""

from __future__ import annotations

from functools import cache
from math import log10, pi, tan
from typing import TYPE_CHECKING, Any

from datajob.media.errors import MediaError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.audio_stream import Block
    from datajob.media.audio_types import Form

    Values = NDArray[np.float64]

SILENCE = -70.0
"""LUFS and dB that stand for silence: the absolute gate of BS.1770."""
_SURROUND = {5: (1, 1, 1, 1.41, 1.41), 6: (1, 1, 1, 0, 1.41, 1.41), 8: (1, 1, 1, 0, 1.41, 1.41, 1.41, 1.41)}
"""Weights of the channels by their number: L R C (LFE) and the channels at the sides."""


def no_samples() -> MediaError:
    """The error of audio whose duration is zero."""
    return MediaError("noSamples", "the audio has no samples")


def decibels(power: float) -> float:
    """10 log10 of a power, at least -inf."""
    return 10 * log10(power) if power > 0 else float("-inf")


class Counter:
    """The duration in seconds."""

    def __init__(self, form: Form) -> None:
        self._rate, self._frames = form.rate, 0

    def add(self, block: Block) -> None:
        """Count frames."""
        self._frames += len(block)

    def value(self) -> float:
        """Seconds."""
        return self._frames / self._rate


class Loudness:
    """The integrated loudness in LUFS: BS.1770-4 with both gates (EBU R 128). Silence is -70."""

    def __init__(self, form: Form) -> None:
        import numpy as np

        self._form = form
        self._hop = max(1, round(form.rate / 10))
        self._filters = np.array(k_weighting(form.rate))
        weights = _SURROUND.get(form.channels, (1,) * form.channels)
        self._weights = np.array(weights, np.float64)
        self._state = np.zeros((form.channels, 4))
        self._carried = np.zeros(2)
        self._sums: list[Values] = []

    def add(self, block: Block) -> None:
        """Sums of 100 ms."""
        import numpy as np

        from datajob.operators.kernels.sound import loudness_sums

        out = np.empty(len(block) // self._hop + 1)
        done = loudness_sums(block, self._filters, self._weights, self._state, self._carried, self._hop, out)
        self._sums.append(out[:done])

    def value(self) -> float:
        """The loudness. Audio below 400 ms, which has no complete block, is one block."""
        import numpy as np

        sums = np.concatenate([*self._sums, np.zeros(0)])
        if len(sums) < 4:
            frames = len(sums) * self._hop + self._carried[1]
            if not frames:
                raise no_samples()
            powers = np.array([(sums.sum() + self._carried[0]) / frames])
        else:
            powers = np.convolve(sums, np.ones(4), "valid") / (4 * self._hop)
        loud = powers[powers > _power(SILENCE)]
        if not len(loud):
            return SILENCE
        gated = loud[loud > loud.mean() / 10]
        return max(SILENCE, -0.691 + decibels(float(gated.mean())))


def _power(loudness: float) -> float:
    return float(10 ** ((loudness + 0.691) / 10))


@cache
def k_weighting(rate: int) -> tuple[float, ...]:
    """b0 b1 b2 a1 a2 of the shelf and of the high-pass filter, for any rate; those of BS.1770-4 at 48 kHz."""
    k, quality = tan(pi * 1681.974450955533 / rate), 0.7071752369554196
    gain = 10 ** (3.999843853973347 / 20)
    middle = gain**0.4996667741545416
    a0 = 1 + k / quality + k * k
    shelf = [(gain + middle * k / quality + k * k) / a0, 2 * (k * k - gain) / a0, (gain - middle * k / quality + k * k) / a0]
    poles = [2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0]
    k, quality = tan(pi * 38.13547087602444 / rate), 0.5003270373238773
    a0 = 1 + k / quality + k * k
    return (*shelf, *poles, 1.0, -2.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0)


class Windows:
    """The mean power of each window."""

    def __init__(self, form: Form, seconds: float) -> None:
        import numpy as np

        self._window = max(1, round(form.rate * seconds))
        self._channels = form.channels
        self._carried = np.zeros(2)
        self._powers: list[Values] = []

    def add(self, block: Block) -> None:
        """Powers of complete windows."""
        import numpy as np

        from datajob.operators.kernels.sound import window_powers

        out = np.empty(len(block) // self._window + 1)
        done = window_powers(block, self._carried, self._window, out)
        self._powers.append(out[:done].copy())

    def value(self) -> Values:
        """The powers; an incomplete window at the end counts only if it is the only one."""
        import numpy as np

        powers = np.concatenate([*self._powers, np.zeros(0)])
        if not len(powers):
            if not self._carried[1]:
                raise no_samples()
            return np.array([self._carried[0] / (self._carried[1] * self._channels)])
        return powers


class Clipping:
    """The share of samples in runs at full scale."""

    def __init__(self, form: Form, level: float, run: int) -> None:
        import numpy as np

        self._level, self._run = np.float32(level), run
        self._runs = np.zeros(form.channels, np.int64)
        self._found = self._samples = 0

    def add(self, block: Block) -> None:
        """Count samples."""
        from datajob.operators.kernels.sound import clipped

        self._found += clipped(block, self._level, self._run, self._runs)
        self._samples += block.size

    def value(self) -> float:
        """The share."""
        if not self._samples:
            raise no_samples()
        return self._found / self._samples


class Spectrum:
    """The mean power spectrum of the mean of all channels: windows of 512 samples (Blackman-Harris) every 10 ms."""

    SIZE = 512

    def __init__(self, form: Form) -> None:
        import numpy as np

        self._rate = form.rate
        self._hop = max(1, form.rate // 100)
        self._rest = np.zeros(0, np.float32)
        self._total = np.zeros(self.SIZE // 2 + 1)
        self._count = 0

    def add(self, block: Block) -> None:
        """Spectra of complete windows."""
        import numpy as np

        samples = np.concatenate([self._rest, block.mean(axis=1, dtype=np.float32)])
        if len(samples) < self.SIZE:
            self._rest = samples
            return
        frames = np.lib.stride_tricks.sliding_window_view(samples, self.SIZE)[:: self._hop]
        spectra = np.fft.rfft(frames * _blackman_harris(self.SIZE), axis=1)
        self._total += (spectra.real**2 + spectra.imag**2).sum(axis=0, dtype=np.float64)
        self._count += len(frames)
        self._rest = samples[len(frames) * self._hop :]

    def value(self) -> tuple[Values, float]:
        """The spectrum, and the width of its bins in Hz."""
        import numpy as np

        if not self._count:
            if not len(self._rest):
                raise no_samples()
            self.add(np.zeros((self.SIZE, 1), np.float32))
        return self._total / self._count, self._rate / self.SIZE


@cache
def _blackman_harris(size: int) -> Any:
    import numpy as np

    at = 2 * np.pi * np.arange(size) / size
    return (0.35875 - 0.48829 * np.cos(at) + 0.14128 * np.cos(2 * at) - 0.01168 * np.cos(3 * at)).astype(np.float32)


class TruePeak:
    """The largest magnitude between samples, from four times as many (BS.1770-4, annex 2)."""

    PHASES, TAPS = 4, 16

    def __init__(self, form: Form) -> None:
        import numpy as np

        self._phases = _interpolation(self.PHASES, self.TAPS)
        self._before = np.zeros((self.TAPS, form.channels), np.float32)
        self._peak = 0.0

    def add(self, block: Block) -> None:
        """Compare peaks."""
        from datajob.operators.kernels.sound import true_peak

        self._peak = max(self._peak, true_peak(block, self._phases, self._before), float(abs(block).max()))

    def value(self) -> float:
        """The peak; 1 is full scale."""
        return self._peak


@cache
def _interpolation(phases: int, taps: int) -> Any:
    """The coefficients of each phase: a sinc in a Kaiser window."""
    import numpy as np

    at = np.arange(phases * taps) / phases - taps / 2
    return np.ascontiguousarray((np.sinc(at) * np.kaiser(phases * taps, 6.0)).reshape(taps, phases).T.astype(np.float32))


def bandwidth(spectrum: Values, bin_width: float, drop: float) -> float:
    """The highest frequency whose mean power is at most `drop` dB below the peak; 0 for silence."""
    import numpy as np

    peak = float(spectrum.max())
    if peak <= 0:
        return 0.0
    return float(np.flatnonzero(spectrum >= peak * 10 ** (-drop / 10))[-1]) * bin_width


def percentiles(powers: Values) -> tuple[float, float]:
    """The 90th percentile of the powers of windows, as signal, and the 10th, as noise."""
    import numpy as np

    noise, signal = np.percentile(powers, [10, 90])
    return float(signal), float(noise)


def ratio_of_powers(signal: float, noise: float) -> float:
    """10 log10 of (signal - noise) / noise, from -20 to 100."""
    if signal <= 0:
        return -20.0
    return min(100.0, max(-20.0, decibels((signal - noise) / max(noise, signal * 1e-10))))
