"""motionScore."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from datajob.operators.video.motion_score import MotionScore
from tests.support.videos import Pixels, gray, measure, reasons, video

METHODS = ("flow", "difference", "vectors")


def panned(pixels: float, count: int = 16, width: int = 128, height: int = 96) -> list[Pixels]:
    """A texture that moves right by a number of pixels per frame."""
    noise = np.random.default_rng(4).integers(0, 256, (height // 8, width // 2)).astype(np.uint8)
    texture = cv2.resize(noise, (width * 4, height), interpolation=cv2.INTER_CUBIC)
    return [
        np.repeat(texture[:, round(number * pixels) : round(number * pixels) + width][:, :, None], 3, 2)
        for number in range(count)
    ]


@pytest.mark.parametrize("method", METHODS)
def test_faster_videos_have_higher_scores_and_stills_have_none(method: Any) -> None:
    files = [video(panned(speed), fps=8, gop=100) for speed in (0, 1, 3)]
    still, slow, fast = measure(MotionScore(method=method, fps=8), *files)
    assert still == pytest.approx(0, abs=1e-4)
    assert fast > 1.3 * slow > 1e-4


def test_the_flow_is_the_displacement_in_pixels_or_in_shares_of_the_diagonal() -> None:
    file = video(panned(2), fps=8, gop=100)
    [pixels] = measure(MotionScore(fps=8, side=None, relative=False), file)
    assert pixels == pytest.approx(2, abs=0.3)
    assert measure(MotionScore(fps=8, side=None), file) == pytest.approx([pixels / 160])
    [reduced] = measure(MotionScore(fps=8, side=96, relative=False), file)
    assert reduced == pytest.approx(2, abs=0.4)


def test_vectors_are_the_displacement_over_width_plus_height() -> None:
    file = video(panned(2), fps=8, gop=100)
    [score] = measure(MotionScore(method="vectors", fps=8), file)
    assert score == pytest.approx(2 / (128 + 96), rel=0.3)


def test_chosen_frames_are_compared() -> None:
    frames = [gray(100 + 50 * (number // 4 % 2)) for number in range(16)]
    file = video(frames, "matroska", "ffv1", fps=8, pixels="gray")
    assert measure(MotionScore(method="difference", fps=2), file) == pytest.approx([50 / 255])
    assert measure(MotionScore(method="difference", fps=1), file) == [0]
    assert measure(MotionScore(method="difference", fps=8), file) == pytest.approx([50 / 255 * 3 / 15])


@pytest.mark.parametrize("method", ["flow", "difference"])
def test_the_first_and_the_last_frame_of_short_videos_are_compared(method: Any) -> None:
    frames = panned(4, count=3)
    assert measure(MotionScore(method=method, fps=0.1), video(frames, fps=8))[0] > 0.001
    assert measure(MotionScore(method=method), video(frames[:1])) == [0]


def test_codecs_without_motion_vectors_fail_the_row() -> None:
    file = video(panned(2), "matroska", "ffv1")
    assert reasons(MotionScore(method="vectors", min=0.1), file) == ["noMotionVectors"]


def test_rows_outside_the_limits_are_rejected() -> None:
    files = [video(panned(speed), fps=8) for speed in (0, 3)]
    assert reasons(MotionScore(method="difference", min=0.01), *files, None) == ["motion_score_too_low", None, "noMedia"]
    assert reasons(MotionScore(method="difference", max=0.01), *files) == [None, "motion_score_too_high"]


def test_without_limits_it_only_measures() -> None:
    assert reasons(MotionScore(method="difference"), video(panned(1))) == [None]


@pytest.mark.parametrize("parameters", [{"fps": 0}, {"method": "raft"}, {"side": 3}, {"min": 2, "max": 1}])
def test_parameters_that_cannot_work_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MotionScore(**parameters)
