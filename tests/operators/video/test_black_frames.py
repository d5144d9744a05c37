"""blackFrames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from datajob.operators.video.black_frames import BlackFrames
from tests.support.videos import gray, measure, reasons, video

BLACK, WHITE = gray(0), gray(255)


def test_the_share_of_the_time_with_black_frames() -> None:
    assert measure(BlackFrames(), video([BLACK] * 5 + [WHITE] * 15), video([WHITE] * 4), video([BLACK])) == [0.25, 0, 1]


def test_frames_count_as_long_as_they_are_displayed() -> None:
    frames = [BLACK, BLACK, WHITE, WHITE]
    assert measure(BlackFrames(), video(frames, times=[0, 100, 800, 900])) == pytest.approx([0.8], abs=0.001)


def test_limits_for_pixels_and_frames() -> None:
    dim, spots = gray(30), BLACK.copy()
    spots[:8, :16] = 255  # 4% of the pixels
    files = video([dim] * 5), video([spots] * 5)
    assert measure(BlackFrames(), *files) == [0, 0]
    assert measure(BlackFrames(luma=0.2), *files) == [1, 0]
    assert measure(BlackFrames(pixels=0.9), *files) == [0, 1]


def test_key_frames_stand_for_the_time_up_to_the_next_one() -> None:
    file = video([BLACK] * 20 + [WHITE] * 20, gop=10)
    assert measure(BlackFrames(frames="key"), file) == [0.5]


def test_rows_outside_the_limits_are_rejected() -> None:
    half = video([BLACK] * 5 + [WHITE] * 5)
    assert reasons(BlackFrames(max=0.4, min=0.1), half, video([WHITE] * 3), None) == [
        "black_frames_too_high", "black_frames_too_low", "noMedia",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pixels", "codec"),
    [("yuv422p", "mjpeg"), ("yuvj420p", "mjpeg"), ("gray", "ffv1"), ("yuv420p10le", "ffv1"), ("bgr0", "ffv1")],
)
def test_formats_of_pixels(pixels: str, codec: str) -> None:
    found = measure(BlackFrames(), video([BLACK] * 2 + [WHITE] * 2, "matroska", codec, pixels=pixels, strict="-1"))
    assert found == pytest.approx([0.5], abs=0.01)


@pytest.mark.parametrize(("height", "width"), [(2, 2), (3, 5), (1, 2), (37, 301), (400, 2)])
def test_sizes_of_frames(height: int, width: int) -> None:
    frames = [np.zeros((height, width, 3), np.uint8)] * 3
    assert measure(BlackFrames(), video(frames, "matroska", "ffv1", pixels="yuv444p")) == [1]


@pytest.mark.parametrize("parameters", [{"max": 2}, {"luma": -1}, {"pixels": 0}, {"frames": "some"}])
def test_parameters_that_cannot_work_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BlackFrames(**parameters)
