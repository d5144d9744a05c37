"""bandwidth: the highest frequency near the peak of the mean spectrum."""

import numpy as np
import pytest
from scipy import signal

from datajob.operators.audio.bandwidth import Bandwidth
from tests.support.sounds import file, measure, noise, reasons, silence, sine


@pytest.mark.parametrize("cutoff", [3400, 7000, 12_000])
def test_the_cutoff_of_filtered_noise(cutoff: int) -> None:
    low = signal.sosfilt(signal.butter(40, cutoff, fs=44_100, output="sos"), noise(4, 44_100), axis=0).astype(np.float32)
    [found] = measure(Bandwidth(), file(low, rate=44_100, subtype="FLOAT"))
    assert cutoff < found < 1.25 * cutoff


def test_telephone_speech_is_found_although_its_sample_rate_is_high() -> None:
    narrow = signal.resample_poly(noise(4, 8000), 6, 1, axis=0).astype(np.float32)
    assert reasons(Bandwidth(min=5000), file(narrow, rate=48_000), file(noise(4, 48_000), rate=48_000)) == [
        "bandwidth_too_low",
        None,
    ]


def test_the_mean_of_scipy_spectra_has_the_same_bandwidth() -> None:
    samples = noise(3)[:, 0] + 10 * sine(2000, 3)[:, 0]
    frequencies, power = signal.welch(
        samples, 16_000, signal.windows.blackmanharris(512, sym=False), 512, 512 - 160, detrend=False, scaling="spectrum"
    )
    power[1:-1] /= 2
    expected = frequencies[np.flatnonzero(power >= power.max() * 1e-3)[-1]]
    assert measure(Bandwidth(drop=30), file(samples[:, None], subtype="FLOAT")) == [expected]


def test_silence_and_short_audio_are_defined() -> None:
    quiet, short = measure(Bandwidth(), file(silence(1)), file(noise(0.01)))
    assert quiet == 0 and short > 0
