"""Steps that measure frames, on videos that are damaged or unusual: a reason for each, or a measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from datajob.errors import plain
from datajob.operators.media.sections import Section
from datajob.operators.video.black_frames import BlackFrames
from datajob.operators.video.motion_score import MotionScore
from datajob.operators.video.static_video import StaticVideo
from tests.support.videos import batch, moving, video

STEPS: tuple[Any, ...] = (
    BlackFrames(max=None),
    StaticVideo(max=None),
    MotionScore(),
    MotionScore(method="difference"),
    MotionScore(method="vectors"),
)
MP4 = video(moving(20))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"text", "notVideo"),
        (MP4[: len(MP4) // 2], "truncated"),
        (b"#EXTM3U\n/etc/passwd\n", "unsupportedFormat"),
        (None, "noMedia"),
    ],
)
def test_damaged_videos_fail_with_a_reason(data: bytes | None, reason: str) -> None:
    rows = batch([data])
    Section(STEPS, decides=False).run(rows).verdict(0, rows)
    assert plain(rows.failures[0]).partition(":")[0] == reason


@pytest.mark.parametrize(
    "settings",
    [
        {"rotation": 90},
        {"times": [0, 20, 700, 710, 1500, *range(1600, 2200, 40)]},
        {"kind": "matroska", "codec": "libx264", "bf": "3", "pixels": "yuv420p10le"},
        {"kind": "mpegts", "codec": "mpeg2video", "fps": 25},
        {"kind": "avi"},
        {"codec": "libx264", "flags": "+ildct+ilme", "fps": 25},
    ],
    ids=["rotation", "variable frame rate", "10 bits", "mpegts", "avi", "interlaced"],
)
def test_unusual_videos_are_measured(settings: dict[str, Any]) -> None:
    rows = batch([video(moving(20), **settings)])
    found = Section(STEPS, decides=False).run(rows)
    measures = [found.measures(number)[step.measured()[0]][0] for number, step in enumerate(STEPS)]
    assert np.isfinite(measures).all()
    assert measures[0] == 0 and measures[1] < 1 and min(measures[2:]) > 0
