"""Audio for tests: generated signals, and encoded files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pyarrow as pa
import soundfile

from datajob.errors import plain
from datajob.operators.base import Batch
from datajob.operators.media.audio_steps import AudioFilter, AudioMap

Samples = np.ndarray[Any, np.dtype[np.float32]]


def sine(hertz: float = 997, seconds: float = 2, rate: int = 16_000, level: float = -20, channels: int = 1) -> Samples:
    """A sine with a peak in dBFS, in all channels."""
    wave = 10 ** (level / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


def noise(seconds: float = 2, rate: int = 16_000, level: float = -20, channels: int = 1, seed: int = 1) -> Samples:
    """White noise with a root mean square in dBFS."""
    normal = np.random.default_rng(seed).standard_normal((round(seconds * rate), channels))
    return (10 ** (level / 20) * normal).astype(np.float32)


def silence(seconds: float = 1, rate: int = 16_000, channels: int = 1) -> Samples:
    """Zeros."""
    return np.zeros((round(seconds * rate), channels), np.float32)


def file(samples: Samples, kind: str = "wav", rate: int = 16_000, subtype: str | None = None) -> bytes:
    """The samples as a file: wav, flac, mp3, ogg, opus or m4a."""
    if kind == "m4a":
        return _m4a(samples, rate)
    stream = io.BytesIO()
    form, default = {"opus": ("OGG", "OPUS")}.get(kind, (kind.upper(), None))
    with soundfile.SoundFile(stream, "w", rate, samples.shape[1], subtype or default, format=form) as sound:
        for start in range(0, len(samples), 1 << 15):
            sound.write(samples[start : start + (1 << 15)])
    return stream.getvalue()


def _m4a(samples: Samples, rate: int) -> bytes:
    stream = io.BytesIO()
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(stream, "w", format="ipod") as container:
        encoder: Any = container.add_stream("aac", rate=rate, layout=layout)
        for start in range(0, len(samples), 1024):
            part = np.ascontiguousarray(samples[start : start + 1024].T)
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(encoder.encode(frame))
        container.mux(encoder.encode(None))
    return stream.getvalue()


def batch(values: Sequence[Any]) -> Batch:
    """A batch with a column of audio: files, or paths."""
    kind = pa.string() if any(isinstance(value, str) for value in values) else pa.binary()
    return Batch(pa.table({"audio": pa.array(list(values), kind)}))


def measure(step: AudioFilter, *values: Any) -> list[float]:
    """The first measure of each value; NaN for one that fails."""
    found: list[float] = step.measures(batch(values))[step.measured()[0]].tolist()
    return found


def reasons(step: AudioFilter, *values: Any) -> list[str | None]:
    """Why each value is rejected or fails; None for one that is kept."""
    rows = batch(values)
    verdict = step.keep(rows)
    decided = [None if code == 0 else verdict.reasons[code - 1] for code in verdict.codes.tolist()]
    return [plain(rows.failures[i]).partition(":")[0] if i in rows.failures else reason for i, reason in enumerate(decided)]


def change(step: AudioMap, *values: Any) -> list[Any]:
    """The file of each value after the step, or the reason if it fails."""
    rows = batch(values)
    found = [value["bytes"] if isinstance(value, dict) else value for value in step.apply(rows).column("audio").to_pylist()]
    return [plain(rows.failures[i]).partition(":")[0] if i in rows.failures else value for i, value in enumerate(found)]


def decoded(data: bytes) -> tuple[Samples, int]:
    """The samples and the sample rate of a file."""
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return samples, rate
