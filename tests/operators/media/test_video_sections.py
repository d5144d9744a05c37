"""Adjacent steps on video share one pass over the frames."""

from __future__ import annotations

import sys
import weakref
from typing import Any, Literal

import numpy as np
import pytest

from datajob.errors import plain
from datajob.media.files import MediaFile
from datajob.media.video_frame import VideoFrame
from datajob.media.video_stream import open_video
from datajob.media.video_types import VideoFacts
from datajob.operators.base import Bound
from datajob.operators.media.sections import Section
from datajob.operators.media.video_steps import FrameFilter, VideoMap, min_max
from tests.support.videos import batch, gray, moving, video


class Counted:
    """Counts frames, and remembers their times."""

    opened = 0

    def __init__(self) -> None:
        self.times: list[float] = []

    def add(self, frame: VideoFrame) -> None:
        """The next frame."""
        assert frame.luma.shape == frame.small(1 << 20).shape and frame.luma.dtype == np.uint8
        self.times.append(frame.time)

    def value(self) -> float:
        """The number of frames."""
        return float(len(self.times))


class FrameNumber(FrameFilter):
    """Keep rows with a number of frames."""

    min: float | None = 0
    seen: Literal["all", "key"] = "all"

    def frames(self) -> Literal["all", "key"]:
        """As requested."""
        return self.seen

    def meter(self, facts: VideoFacts) -> Counted:
        """Counts."""
        return Counted()

    def bounds(self) -> tuple[Bound, ...]:
        """The limits."""
        return min_max(self, "frame_number")


class SetFile(VideoMap):
    """Replace each video."""

    data: bytes = b""

    def change(self, clip: Any) -> bytes:
        """The parameter."""
        return self.data


def measured(*steps: FrameFilter, value: Any) -> list[float]:
    """The measure of each step for one value."""
    found = Section(steps).run(batch([value]))
    return [float(found.measures(at)["frame_number"][0]) for at in range(len(steps))]


@pytest.mark.parametrize(
    ("kind", "codec"), [("mp4", "mpeg4"), ("matroska", "mpeg4"), ("avi", "mpeg4"), ("mpegts", "mpeg2video")]
)
def test_steps_on_key_frames_see_those_of_a_pass_over_all_frames(kind: str, codec: str) -> None:
    file = video(moving(35), kind, codec, fps=25, gop=10)
    assert measured(FrameNumber(), FrameNumber(seen="key"), value=file) == [35, 4]
    assert measured(FrameNumber(seen="key"), value=file) == [4]


def test_a_clip_has_the_frames_of_its_time_span(tmp_path: Any) -> None:
    (tmp_path / "a.mp4").write_bytes(video(moving(35)))
    assert measured(FrameNumber(), FrameNumber(seen="key"), value=f"{tmp_path}/a.mp4#t=0.5,2.1") == [16, 2]


def test_steps_after_a_map_see_the_new_file() -> None:
    steps = (FrameNumber(), SetFile(data=video(moving(7))), FrameNumber(seen="key"), FrameNumber())
    rows = batch([video(moving(20))])
    found = Section(steps).run(rows)
    assert [float(found.measures(at)["frame_number"][0]) for at in (0, 2, 3)] == [20, 1, 7]
    assert found.changed(rows.table).column("video").to_pylist()[0]["bytes"] == steps[1].data


def test_videos_beyond_the_limits_fail() -> None:
    rows = batch([video(moving(30)), video([gray(9, 320, 240)] * 3)])
    FrameNumber(max_duration=2, max_pixels=10_000).keep(rows)
    assert [plain(rows.failures[at]).partition(":")[0] for at in (0, 1)] == ["tooLong", "tooManyPixels"]


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le", "yuv444p", "gray"])
def test_frames_have_the_levels_that_were_drawn(pixels: str) -> None:
    file = video([gray(20 + 4 * number) for number in range(12)], "matroska", "ffv1", pixels=pixels)
    with open_video(MediaFile.of(file)) as stream:
        frames = [(frame.luma.dtype, frame.luma.mean(), frame.levels, frame.rgb().mean()) for frame in stream.frames()]
    for number, (kind, luma, (black, white), rgb) in enumerate(frames):
        level = 20 + 4 * number
        assert kind == np.uint8 and abs(rgb - level) <= 3
        assert abs(luma - (black + (white - black) * level / 255)) <= 1
    assert len(frames) == 12


def test_small_frames_do_not_keep_the_memory_of_the_decoder() -> None:
    """A reference from a small frame to its frame would be a cycle: the decoder could not use the memory of the frame again."""
    with open_video(MediaFile.of(video(moving(3)))) as stream:
        frame = next(stream.frames())
        small, hsv = frame.small(32), frame.small_hsv(32)
        gone = weakref.ref(frame)
        del frame
        assert gone() is None
        assert small.shape == (24, 32) and hsv.shape == (3, 24, 32)


def test_motion_vectors_do_not_keep_the_memory_of_the_decoder() -> None:
    with open_video(MediaFile.of(video(moving(5), codec="libx264")), vectors=True) as stream:
        frame = list(stream.frames())[3]
        before = sys.getrefcount(frame.raw)
        vectors = frame.vectors
        after = sys.getrefcount(frame.raw)
    assert len(vectors) and after == before
