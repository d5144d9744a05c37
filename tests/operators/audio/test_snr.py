"""snr: speech with pauses over noise."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

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


SPEECH = Path(__file__).parents[3] / "manifests" / "samples" / "data" / "speech" / "harvard-1.ogg"


@pytest.mark.parametrize("ratio", [5, 15, 30])
def test_with_vad_the_signal_is_speech_and_the_noise_is_the_rest(ratio: float) -> None:
    speech = np.concatenate([soundfile.read(SPEECH, dtype="float32", always_2d=True)[0], silence(3)])
    power = float((speech[16_000:80_000] ** 2).mean())
    level = 10 * np.log10(power) - ratio
    [found] = measure(Snr(method="vad"), file(speech + noise(len(speech) / 16_000, level=level), subtype="FLOAT"))
    assert found == pytest.approx(ratio, abs=2)


def test_with_vad_loud_noise_between_sentences_is_noise() -> None:
    speech = soundfile.read(SPEECH, dtype="float32", always_2d=True)[0]
    loud = np.concatenate([speech, noise(30, level=-15)])
    by_percentile, by_speech = (measure(Snr(method=method), file(loud))[0] for method in ("percentile", "vad"))
    assert by_speech < 0 < by_percentile


def test_with_vad_audio_without_speech_or_pauses_has_a_ratio() -> None:
    words = soundfile.read(SPEECH, dtype="float32", always_2d=True)[0][24_000:40_000]
    found = measure(Snr(method="vad"), file(noise(3)), file(silence(3)), file(words), file(silence(0.01)))
    assert found[:2] == [-20, -20] and 10 < found[2] < 60 and found[3] == -20
