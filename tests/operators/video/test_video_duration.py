"""videoDuration: seconds from the header, or from the packets."""

from pathlib import Path

import pytest

from datajob.operators.video.video_duration import VideoDuration
from tests.support.sounds import noise
from tests.support.videos import batch, measure, moving, reasons, video

KINDS = [("mp4", "mpeg4"), ("mov", "mpeg4"), ("matroska", "mpeg4"), ("avi", "mpeg4"), ("mpegts", "mpeg2video")]


@pytest.mark.parametrize(("kind", "codec"), KINDS)
def test_the_duration_is_that_of_the_frames(kind: str, codec: str) -> None:
    assert measure(VideoDuration(), video(moving(23), kind, codec, fps=25)) == pytest.approx([0.92], abs=0.05)


def test_limits_are_inclusive_and_have_reasons() -> None:
    short, long, exact = (video(moving(count)) for count in (5, 40, 20))
    assert reasons(VideoDuration(min=1, max=2), short, long, exact) == ["duration_too_low", "duration_too_high", None]


def test_a_clip_has_the_duration_of_the_clip(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(video(moving(50)))
    paths = [f"{tmp_path}/a.mp4#t={span}" for span in ("1,3", "4", "4,9", "6,7")]
    assert measure(VideoDuration(), *paths) == pytest.approx([2, 1, 1, 0])


def test_a_file_that_does_not_state_its_duration_is_read_to_the_end() -> None:
    live = video(moving(30), "matroska", live="1")
    fragments = video(moving(30), movflags="frag_keyframe+empty_moov")
    assert measure(VideoDuration(), live, fragments) == pytest.approx([3, 3], abs=0.11)


def test_longer_audio_does_not_count_in_an_mp4() -> None:
    assert measure(VideoDuration(), video(moving(10), audio=noise(3))) == pytest.approx([1], abs=0.01)


def test_the_measure_is_written_to_a_column() -> None:
    verdict = VideoDuration(output="seconds").keep(batch([video(moving(20)), None]))
    assert verdict.columns["seconds"].to_pylist() == [2.0, None]
