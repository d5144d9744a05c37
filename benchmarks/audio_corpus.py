"""Generated recordings for benchmarks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import CACHE

RATE = 44_100


def signal(seconds: float, rate: int = RATE, channels: int = 2) -> Any:
    """Tones with pauses and noise, which compress like speech with music."""
    t = np.arange(round(rate * seconds)) / rate
    voice = np.maximum(0, np.sin(2 * np.pi * 0.7 * t)) * (np.sin(2 * np.pi * 180 * t) + np.sin(2 * np.pi * 2400 * t))
    noise = np.random.default_rng(1).standard_normal((len(t), channels)) * 0.004
    return (0.1 * voice[:, None] * np.array([1.0, 0.8])[:channels] + noise).astype(np.float32)


def encoded(samples: Any, kind: str, rate: int = RATE) -> bytes:
    """The samples as a file."""
    import soundfile

    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", rate, samples.shape[1], format=kind) as sound:
        for start in range(0, len(samples), 1 << 15):
            sound.write(samples[start : start + (1 << 15)])
    return stream.getvalue()


def folder(count: int) -> Path:
    """Files of 1 to 21 seconds at 16 kHz mono, in four formats."""
    place = CACHE / f"audio-{count}"
    if not place.exists():
        building = place.with_name(place.name + ".building")
        building.mkdir(parents=True, exist_ok=True)
        whole = signal(21, 16_000, 1)
        for number in range(count):
            kind = ("wav", "flac", "mp3", "ogg")[number % 4]
            seconds = 1 + 20 * (number * 37 % count) / count
            (building / f"{number:05}.{kind}").write_bytes(encoded(whole[: round(seconds * 16_000)], kind.upper(), 16_000))
        building.rename(place)
    return place
