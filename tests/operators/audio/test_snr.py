"""snr: speech with pauses over noise."""

import numpy as np
import pytest

from datajob.operators.audio.snr import Snr
from tests.support.sounds import file, measure, noise, reasons, silence, sine


@pytest.mark.parametrize("ratio", [5, 15, 30])
def test_the_ratio_of_a_signal_with_pauses(ratio: float) -> None:
    signal = np.concatenate([np.concatenate([sine(500, 1, level=-17), silence(0.5)]) for _ in range(6)])
    [found] = measure(Snr(), file(signal + noise(9, level=-20 - ratio), subtype="FLOAT"))
    assert found == pytest.approx(ratio, abs=1)


def test_the_range_is_limited() -> None:
    pauses = np.concatenate([sine(seconds=1), silence(1)])
    assert measure(Snr(), file(silence(2)), file(pauses), file(sine(seconds=2))) == [-20, 100, pytest.approx(-20)]


def test_limits_have_reasons() -> None:
    noisy = np.concatenate([sine(500, 2, level=-17), silence(2)]) + noise(4, level=-20)
    assert reasons(Snr(), file(noisy), file(np.concatenate([sine(), silence()]))) == ["snr_too_low", None]
