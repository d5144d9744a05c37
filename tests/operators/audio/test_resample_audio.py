"""resampleAudio: rate, channels and format."""

from pathlib import Path

import numpy as np
import pytest

from datajob.operators.audio.audio_format import AudioFormat
from datajob.operators.audio.resample_audio import ResampleAudio
from tests.support.sounds import batch, change, decoded, file, noise, sine


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "opus", "m4a"])
def test_every_format_becomes_mono_with_16_khz(kind: str) -> None:
    rate = 48_000
    [found] = change(ResampleAudio(), file(sine(1000, 3, rate, -12, 2), kind, rate))
    samples, new = decoded(found)
    assert (new, samples.shape[1]) == (16_000, 1)
    assert len(samples) == pytest.approx(48_000, abs=400)
    spectrum = np.abs(np.fft.rfft(samples[8000:40_000, 0]))
    assert spectrum.argmax() == 2000
    assert np.sqrt((samples[8000:40_000] ** 2).mean()) == pytest.approx(10 ** (-12 / 20) / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize(("before", "after"), [(44_100, 16_000), (8000, 48_000), (22_050, 16_000), (96_000, 24_000)])
def test_the_error_of_resampling_a_sine_is_below_80_db(before: int, after: int) -> None:
    data = file(sine(1000, 4, before, -6), rate=before, subtype="PCM_24")
    [found] = change(ResampleAudio(rate=after, format="flac"), data)
    samples, _ = decoded(found)
    assert len(samples) == 4 * after
    at = slice(after, 3 * after)
    error = samples[at, 0] - sine(1000, 4, after, -6)[at, 0]
    assert 10 * np.log10((error**2).mean() / (samples[at] ** 2).mean()) < -80


def test_channels_are_averaged_or_repeated() -> None:
    samples = np.concatenate([sine(300, 1), noise(1)], axis=1)
    [mono] = change(ResampleAudio(), file(samples, subtype="FLOAT"))
    assert np.abs(decoded(mono)[0][:, 0] - samples.mean(axis=1)).max() < 1e-4
    [stereo] = change(ResampleAudio(channels=2), file(samples[:, :1]))
    assert np.array_equal(decoded(stereo)[0], np.repeat(decoded(file(samples[:, :1]))[0], 2, axis=1))
    assert change(ResampleAudio(channels=2), file(noise(1, channels=6))) == ["unsupportedFormat"]
    [surround] = change(ResampleAudio(), file(noise(1, channels=8)))
    assert decoded(surround)[0].shape == (16_000, 1)


def test_a_file_that_has_everything_remains() -> None:
    data = file(sine())
    assert change(ResampleAudio(), data) == [data]
    [other] = change(ResampleAudio(), file(sine(), subtype="PCM_24"))
    assert decoded(other)[0].shape == (32_000, 1)
    [flac] = change(ResampleAudio(format="flac"), data)
    assert flac[:4] == b"fLaC" and np.array_equal(decoded(flac)[0], decoded(data)[0])


def test_a_reference_becomes_bytes_with_its_name_and_a_clip_is_cut(tmp_path: Path) -> None:
    samples = noise(4)
    (tmp_path / "a.wav").write_bytes(file(samples))
    rows = batch([f"{tmp_path}/a.wav#t=1,2.5"])
    [value] = ResampleAudio().apply(rows).column("audio").to_pylist()
    assert value["path"] == "a-1000-2500.wav"
    assert np.abs(decoded(value["bytes"])[0] - samples[16_000:40_000]).max() < 1e-4


def test_a_long_file_as_ogg_does_not_crash_the_encoder() -> None:
    [found] = change(ResampleAudio(rate=44_100, channels=2, format="ogg"), file(sine(440, 130, 44_100), rate=44_100))
    assert len(decoded(found)[0]) == 130 * 44_100


def test_steps_after_it_see_the_new_rate() -> None:
    from datajob.operators.media.sections import Section

    rows = batch([file(noise(1, rate=48_000), rate=48_000)])
    found = Section((ResampleAudio(), AudioFormat(output="rate"))).run(rows)
    assert found.verdict(1, rows).columns["rate"].to_pylist() == [16_000]
