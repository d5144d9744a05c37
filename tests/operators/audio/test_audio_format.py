"""audioFormat: sample rate, channels and bits from the header."""

import pytest

from datajob.operators.audio.audio_format import AudioFormat
from tests.support.sounds import batch, file, measure, noise, reasons


def test_each_limit_has_a_reason() -> None:
    narrow, wide = file(noise(1, rate=8000), rate=8000), file(noise(1, rate=48_000, channels=2), rate=48_000)
    assert reasons(AudioFormat(), narrow, wide) == ["sample_rate_too_low", None]
    assert reasons(AudioFormat(max_sample_rate=44_100), narrow, wide) == ["sample_rate_too_low", "sample_rate_too_high"]
    assert reasons(AudioFormat(min_channels=2, min_sample_rate=None), narrow, wide) == ["channels_too_low", None]
    assert reasons(AudioFormat(max_channels=1), wide) == ["channels_too_high"]


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_U8", 8), ("PCM_16", 16), ("PCM_24", 24), ("FLOAT", 32)])
def test_bits_per_sample(subtype: str, bits: int) -> None:
    found = AudioFormat().measures(batch([file(noise(1), subtype=subtype)]))
    assert found["bits"].tolist() == [bits]


def test_a_codec_with_loss_counts_as_16_bits() -> None:
    assert reasons(AudioFormat(min_bits=16), file(noise(1), "mp3")) == [None]
    assert reasons(AudioFormat(min_bits=24), file(noise(1), "mp3")) == ["bits_too_low"]


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_the_sample_rate_of_each_format(kind: str) -> None:
    assert measure(AudioFormat(), file(noise(1, rate=32_000), kind, 32_000)) == [32_000]
