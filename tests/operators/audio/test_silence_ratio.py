"""silenceRatio: the share of windows below a level."""

import numpy as np
import pytest

from datajob.operators.audio.silence_ratio import SilenceRatio
from tests.support.sounds import file, measure, noise, reasons, silence


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_the_share_of_silence(kind: str) -> None:
    data = file(np.concatenate([noise(3), silence(1)]), kind)
    assert measure(SilenceRatio(), data) == pytest.approx([0.25], abs=0.02)


def test_the_level_is_that_of_all_channels() -> None:
    data = file(noise(4, level=-44, channels=2))
    assert measure(SilenceRatio(threshold=-45), data)[0] < 0.1 < 0.9 < measure(SilenceRatio(threshold=-43), data)[0]


def test_blocks_of_the_decoder_do_not_matter() -> None:
    samples = np.concatenate([np.concatenate([noise(0.7, seed=i), silence(0.3)]) for i in range(30)])
    [found] = measure(SilenceRatio(window=0.1), file(samples))
    windows = (samples.reshape(-1, 1600).astype(float) ** 2).mean(axis=1)
    assert found == pytest.approx((windows < 10**-4.5).mean(), abs=0.001)


def test_limits_have_reasons() -> None:
    assert reasons(SilenceRatio(), file(silence(2)), file(noise(2))) == ["silence_ratio_too_high", None]


def test_audio_shorter_than_a_window_is_one_window() -> None:
    assert measure(SilenceRatio(), file(noise(0.01)), file(silence(0.01))) == [0, 1]
