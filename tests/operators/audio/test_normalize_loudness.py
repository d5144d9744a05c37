"""normalizeLoudness: one loudness, limited by gain and true peak."""

import numpy as np
import pytest

from datajob.operators.audio.loudness import Loudness
from datajob.operators.audio.normalize_loudness import NormalizeLoudness
from datajob.operators.media.effects import limited_gain
from tests.support.sounds import change, decoded, file, measure, noise, silence, sine


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "m4a"])
@pytest.mark.parametrize("level", [-15, -27])
def test_the_result_has_the_target(kind: str, level: float) -> None:
    [found] = change(NormalizeLoudness(), file(noise(4, 48_000, level, 2), kind, 48_000))
    assert measure(Loudness(), found) == pytest.approx([-23], abs=0.1)
    assert found[:4] == (b"fLaC" if kind == "flac" else b"RIFF")


@pytest.mark.parametrize(
    ("measured", "gain"),
    [((-23, -10), 0), ((-29, -20), 6), ((-40, -20), 6), ((-26, -2), 1), ((-26, 0), 0), ((-10, 0), -13), ((-70, -90), 0)],
)
def test_the_gain_is_limited(measured: tuple[float, float], gain: float) -> None:
    assert limited_gain(measured, target=-23, max_gain=6, max_peak=-1) == pytest.approx(gain)


def test_the_peak_between_samples_limits_the_gain() -> None:
    rate = 48_000
    wave = 0.5 * np.sin(np.pi / 2 * np.arange(4 * rate) + np.pi / 4)  # samples of 0.354 next to peaks of 0.5
    wave *= np.minimum(1, np.minimum(np.arange(4 * rate), np.arange(4 * rate)[::-1]) / 1000)
    [found] = change(NormalizeLoudness(target=0, max_gain=20, peak=-1), file(wave[:, None].astype(np.float32), rate=rate))
    assert np.abs(decoded(found)[0]).max() == pytest.approx(10 ** (-1 / 20) * np.sqrt(0.5), rel=0.02)


def test_silence_and_audio_at_the_target_remain() -> None:
    exact = file(sine(997, 4, 48_000, -19.99), rate=48_000)
    values = [file(silence(3)), exact]
    assert change(NormalizeLoudness(), *values) == values
