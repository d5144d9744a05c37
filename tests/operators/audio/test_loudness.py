"""loudness: BS.1770-4, compared with pyloudnorm and FFmpeg's ebur128."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pyloudnorm
import pytest

from datajob.operators.audio.loudness import Loudness
from tests.support.sounds import Samples, file, measure, noise, reasons, silence, sine


def parts(rate: int, channels: int) -> Samples:
    """A loud part, a quiet part that the relative gate removes, and silence."""
    loud, quiet = noise(4, rate, -18, channels), sine(440, 4, rate, -45, channels)
    return np.concatenate([silence(1, rate, channels), loud, quiet])


SIGNALS = {
    f"{name} {rate} Hz {channels} channels": (make(rate, channels), rate)
    for name, make in {
        "parts": parts,
        "sine": lambda rate, channels: sine(997, 5, rate, -23, channels),
        "bass": lambda rate, channels: sine(60, 5, rate, -12, channels),
        "noise": lambda rate, channels: noise(5, rate, -30, channels),
    }.items()
    for rate, channels in ((16_000, 1), (44_100, 2), (48_000, 1), (8000, 2), (96_000, 1))
}


@pytest.mark.parametrize("name", [name for name, (_, rate) in SIGNALS.items() if rate > 16_000])
def test_the_value_is_that_of_pyloudnorm(name: str) -> None:
    """Below 22 kHz, pyloudnorm is up to 0.25 LU lower than BS.1770-4."""
    samples, rate = SIGNALS[name]
    [found] = measure(Loudness(), file(samples, rate=rate, subtype="FLOAT"))
    assert found == pytest.approx(pyloudnorm.Meter(rate).integrated_loudness(samples.astype(float)), abs=0.1)


@pytest.mark.parametrize("name", [name for name in SIGNALS if "48000" in name or "44100" in name])
def test_the_value_is_that_of_ffmpeg(name: str) -> None:
    samples, rate = SIGNALS[name]
    [found] = measure(Loudness(), file(samples, rate=rate, subtype="FLOAT"))
    assert found == pytest.approx(ebur128(samples, rate), abs=0.1)


def ebur128(samples: Samples, rate: int) -> float:
    """The integrated loudness that FFmpeg's filter writes to the metadata of its frames."""
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    graph: Any = av.filter.Graph()
    source = graph.add_abuffer(format="flt", sample_rate=rate, layout=layout, time_base=Fraction(1, rate))
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame: Any = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.reshape(1, -1)), format="flt", layout=layout)
    frame.rate, frame.pts = rate, 0
    source.push(frame)
    source.push(None)
    values = []
    with suppress(av.error.EOFError, av.error.BlockingIOError):
        while True:
            values.append(float(sink.pull().metadata["lavfi.r128.I"]))
    return values[-1]


def test_a_sine_at_full_scale_has_minus_3_lufs() -> None:
    [found] = measure(Loudness(), file(sine(997, 5, 48_000, 0), rate=48_000, subtype="FLOAT"))
    assert found == pytest.approx(-3.01, abs=0.05)


def test_silence_is_minus_70_and_very_short_audio_has_a_loudness() -> None:
    quiet, short = measure(Loudness(), file(silence(3)), file(sine(seconds=0.1, level=-20)))
    assert quiet == -70 and short == pytest.approx(-23, abs=1)


def test_surround_counts_the_sides_more_and_the_low_frequency_channel_not_at_all() -> None:
    rate = 48_000
    samples = np.zeros((5 * rate, 6), np.float32)
    samples[:, 3] = sine(60, 5, rate, -6)[:, 0]
    [low] = measure(Loudness(), file(samples, rate=rate))
    samples[:, 4] = sine(997, 5, rate, -20)[:, 0]
    [side] = measure(Loudness(), file(samples, rate=rate))
    assert low == -70 and side == pytest.approx(-23.03 + 1.49, abs=0.1)


def test_limits_have_reasons() -> None:
    assert reasons(Loudness(), file(noise(level=-60)), file(noise(level=-2)), file(noise(level=-20))) == [
        "loudness_too_low",
        "loudness_too_high",
        None,
    ]
