"""videoFps: the average frame rate in the header."""

import pytest

from datajob.operators.video.video_fps import VideoFps
from tests.support.videos import measure, moving, reasons, video

KINDS = [("mp4", "mpeg4"), ("matroska", "mpeg4"), ("avi", "mpeg4"), ("mpegts", "mpeg2video")]


@pytest.mark.parametrize(("kind", "codec"), KINDS)
def test_the_frame_rate_is_that_of_the_header(kind: str, codec: str) -> None:
    assert measure(VideoFps(), video(moving(30), kind, codec, fps=30)) == pytest.approx([30], abs=0.01)


def test_a_variable_frame_rate_counts_as_its_average() -> None:
    times = [0, 100, 200, 300, 1300, 2300, 3300, 3400]
    assert measure(VideoFps(), video(moving(8), times=times)) == pytest.approx([8 / 3.5], rel=0.05)


def test_limits_have_reasons() -> None:
    slow, fast = video(moving(20), fps=5), video(moving(20), fps=60)
    assert reasons(VideoFps(max=50), slow, fast) == ["fps_too_low", "fps_too_high"]
