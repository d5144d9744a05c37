"""audioDuration: seconds from the header, or counted."""

from pathlib import Path

import pytest

from datajob.operators.audio.audio_duration import AudioDuration
from tests.support.sounds import batch, file, measure, noise, reasons


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "opus", "m4a"])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_header_states_what_decoding_counts(kind: str, channels: int) -> None:
    data = file(noise(3.21, channels=channels), kind)
    [stated], [counted] = measure(AudioDuration(), data), measure(AudioDuration(exact=True), data)
    assert stated == pytest.approx(3.21, abs=0.05)
    assert counted == pytest.approx(stated, abs=0.08)


def test_limits_are_inclusive_and_have_reasons() -> None:
    short, long, exact = (file(noise(seconds)) for seconds in (0.5, 4, 2))
    assert reasons(AudioDuration(min=1, max=2), short, long, exact) == ["duration_too_low", "duration_too_high", None]


def test_a_clip_has_the_duration_of_the_clip(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(file(noise(5), "flac"))
    paths = [f"{tmp_path}/a.flac#t={span}" for span in ("1,3", "4", "4,9", "6,7")]
    for exact in (False, True):
        assert measure(AudioDuration(exact=exact), *paths) == pytest.approx([2, 1, 1, 0])


def test_an_mp3_without_a_table_is_counted_frame_by_frame() -> None:
    data = file(noise(20), "mp3")
    at = data.find(b"Xing") if b"Xing" in data else data.find(b"Info")
    untabled = data[:at] + b"\0\0\0\0" + data[at + 4 :]
    assert at > 0 and measure(AudioDuration(), untabled) == pytest.approx([20], abs=0.2)


def test_the_measure_is_written_to_a_column() -> None:
    verdict = AudioDuration(output="seconds").keep(batch([file(noise(2)), None]))
    assert verdict.columns["seconds"].to_pylist() == [2.0, None]
