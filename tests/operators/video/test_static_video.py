"""staticVideo."""

from __future__ import annotations

import pytest

from datajob.operators.video.static_video import StaticVideo
from tests.support.videos import gray, measure, moving, reasons, video


def test_the_share_of_the_time_in_which_nothing_moves() -> None:
    still, moves = [gray(90)] * 30, moving(30)
    assert measure(StaticVideo(), video(still), video(moves)) == [1, 0]
    half = video([*[moves[0]] * 21, *moves[1:11]], "matroska", "ffv1", pixels="yuv444p")
    assert measure(StaticVideo(), half) == pytest.approx([2 / 3], abs=0.04)


def test_a_video_with_one_frame_is_static() -> None:
    assert measure(StaticVideo(), video([gray(90)])) == [1]


def test_the_difference_is_that_of_luma_in_shares_of_white() -> None:
    steps = [gray(90 + 2 * (number % 2)) for number in range(12)]
    file = video(steps, "matroska", "ffv1", pixels="gray")
    assert measure(StaticVideo(difference=0.007), file) == [0]
    assert measure(StaticVideo(difference=0.008), file) == [1]


def test_time_counts_and_not_the_number_of_frames() -> None:
    file = video([gray(50), gray(50), gray(150), gray(250)], times=[0, 900, 950, 1000])
    assert measure(StaticVideo(), file) == pytest.approx([0.9], abs=0.01)


def test_rows_outside_the_limits_are_rejected() -> None:
    assert reasons(StaticVideo(), video([gray(90)] * 10), video(moving(10)), b"") == ["static_video_too_high", None, "empty"]
