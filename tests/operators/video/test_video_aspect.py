"""videoAspect: width / height of the displayed video."""

from fractions import Fraction

import pytest

from datajob.operators.video.video_aspect import VideoAspect
from tests.support.videos import measure, moving, reasons, video


def test_the_ratio_is_that_after_the_rotation() -> None:
    upright, turned = video(moving(5, 96, 64)), video(moving(5, 96, 64), rotation=90)
    assert measure(VideoAspect(), upright, turned) == pytest.approx([1.5, 2 / 3])


@pytest.mark.parametrize("kind", ["mp4", "avi"])
def test_pixels_that_are_not_square_count_as_displayed(kind: str) -> None:
    wide = video(moving(5, 64, 64), kind, pixel_aspect=Fraction(16, 9))
    assert measure(VideoAspect(), wide) == pytest.approx([16 / 9], rel=0.02)


def test_limits_have_reasons() -> None:
    tall, wide = video(moving(5, 32, 96)), video(moving(5, 192, 64))
    assert reasons(VideoAspect(), tall, wide) == ["aspect_ratio_too_low", "aspect_ratio_too_high"]
