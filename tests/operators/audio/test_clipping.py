"""clipping: the share of samples in runs at full scale."""

import numpy as np
import pytest

from datajob.operators.audio.clipping import Clipping
from tests.support.sounds import file, measure, noise, reasons, sine


def counted(samples: np.ndarray, level: float, run: int) -> float:
    """The share by definition."""
    total = 0
    for channel in samples.T:
        edges = np.flatnonzero(np.diff(np.abs(channel) >= level, prepend=False, append=False))
        total += sum(b - a for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= run)
    return total / samples.size


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("run", [1, 3, 5])
def test_the_share_is_that_of_the_definition(channels: int, run: int) -> None:
    samples = np.clip(noise(10, level=-4, channels=channels), -1, 1)
    [found] = measure(Clipping(run=run), file(samples, subtype="FLOAT"))
    assert found == counted(samples, np.float32(0.999), run)


def test_a_clean_sine_is_kept_and_an_overdriven_one_is_rejected() -> None:
    clean, overdriven = sine(level=-0.1), np.clip(sine(level=6), -1, 1)
    assert reasons(Clipping(), file(clean), file(overdriven)) == [None, "clipping_too_high"]


def test_floating_point_samples_beyond_full_scale_are_clipped() -> None:
    [found] = measure(Clipping(), file(sine(level=12), subtype="FLOAT"))
    assert found > 0.5
