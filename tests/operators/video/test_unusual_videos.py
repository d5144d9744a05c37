"""Steps that measure frames, on videos that are damaged or unusual: a reason for each, or a measure."""

from __future__ import annotations

import os
import signal
from typing import Any, ClassVar

import numpy as np
import pytest

from datajob.errors import plain
from datajob.media.errors import MediaError
from datajob.media.isolation import run_isolated
from datajob.media.isolation.runner import Limits
from datajob.media.values import MediaValue
from datajob.operators.media.sections import Section
from datajob.operators.media.video_rows import VideoWork
from datajob.operators.media.video_steps import FrameFilter, VideoMap
from datajob.operators.video.black_frames import BlackFrames
from datajob.operators.video.motion_score import MotionScore
from datajob.operators.video.static_video import StaticVideo
from tests.support.videos import batch, gray, moving, video

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


def end(hangs: bool) -> None:
    """Hang, or crash as a decoder or an encoder does."""
    while hangs:
        pass
    os.kill(os.getpid(), signal.SIGSEGV)


class Decoder(FrameFilter):
    """Crashes or hangs at white frames."""

    abstract: ClassVar[bool] = True
    hangs: bool = False

    def meter(self, facts: Any) -> Any:
        return DecoderMeter(self.hangs)


class DecoderMeter:
    def __init__(self, hangs: bool) -> None:
        self._hangs = hangs

    def add(self, frame: Any) -> None:
        if frame.luma.min() > 200:
            end(self._hangs)

    def value(self) -> float:
        return 1.0


class Encoder(VideoMap):
    """Crashes at white frames."""

    abstract: ClassVar[bool] = True

    def change(self, clip: Any) -> bytes | None:
        from datajob.media.video_stream import open_video

        with open_video(clip.reading.file) as stream:
            if next(stream.frames()).luma.min() > 200:
                end(hangs=False)
        return None


@pytest.mark.parametrize(
    ("step", "reason"),
    [(Decoder(), "decoderCrashed"), (Decoder(hangs=True), "tooSlow"), (Encoder(), "decoderCrashed")],
    ids=["a decoder that crashes", "a decoder that hangs", "an encoder that crashes"],
)
def test_a_crash_or_a_hang_fails_one_row(step: Any, reason: str) -> None:
    work = VideoWork((step,), lists=False, decides=False)
    values = [MP4, video([gray(255)] * 3), video(moving(3))]
    items: Any = list(work.inputs([(MediaValue(value),) for value in values], None))
    found = run_isolated(work, items, Limits(seconds=5 if getattr(step, "hangs", False) else 60))
    assert [one.reason if isinstance(one, MediaError) else None for one in found] == [None, reason, None]
