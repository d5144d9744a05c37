"""extractFrames: which frames, at which times, by which way."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from datajob.errors import plain
from datajob.formats.media_files import open_file
from datajob.media.values import MediaValue
from datajob.media.video_stream import open_video
from datajob.operators.video.extract_frames import ExtractFrames
from tests.support.videos import batch, gray, moving, number_of, numbered, video, with_index_first

KINDS = [("mp4", "mpeg4"), ("matroska", "mpeg4"), ("avi", "mpeg4"), ("mpegts", "mpeg2video")]


def extracted(step: ExtractFrames, value: Any) -> list[tuple[float, int]]:
    """The time and the number of each frame."""
    [row] = step.apply(batch([value])).to_pylist()
    pictures = [np.asarray(Image.open(io.BytesIO(image["bytes"])).convert("RGB")) for image in row["frames"]]
    return [(round(time, 3), number_of(pixels)) for time, pixels in zip(row["frameTimes"], pictures, strict=True)]


def reason(step: ExtractFrames, value: Any) -> str:
    """Why a value fails."""
    rows = batch([value])
    step.apply(rows)
    return plain(rows.failures[0]).partition(":")[0]


@pytest.mark.parametrize(("kind", "codec"), KINDS)
@pytest.mark.parametrize("gop", [5, 50])
def test_each_time_has_the_frame_that_is_displayed_then(kind: str, codec: str, gop: int) -> None:
    file = video(numbered(50), kind, codec, fps=25, gop=gop)
    for times in ([0, 0.05, 0.9, 0.92, 1.99], [1.5, 0.3, 1.5], [1.0]):
        found = extracted(ExtractFrames(select="times", times=times, format="png"), file)
        assert [number for _, number in found] == [int(time * 25 + 1e-6) for time in times]
        assert [time for time, _ in found] == pytest.approx([int(time * 25 + 1e-6) / 25 for time in times], abs=0.002)


@pytest.mark.parametrize(("kind", "codec"), KINDS)
def test_uniform_frames_include_the_ends(kind: str, codec: str) -> None:
    file = video(numbered(41), kind, codec, fps=25)
    found = {count: [number for _, number in extracted(ExtractFrames(count=count), file)] for count in (1, 2, 5)}
    assert found == {1: [20], 2: [0, 40], 5: [0, 10, 20, 30, 40]}


def test_a_frame_is_extracted_once() -> None:
    assert [number for _, number in extracted(ExtractFrames(count=8), video(numbered(3)))] == [0, 1, 2]
    assert [number for _, number in extracted(ExtractFrames(select="fps", fps=30), video(numbered(3)))] == [0, 1, 2]


@pytest.mark.parametrize(("kind", "codec"), KINDS)
def test_key_frames_are_those_of_the_encoder(kind: str, codec: str) -> None:
    found = extracted(ExtractFrames(select="key"), video(numbered(50), kind, codec, fps=25, gop=20))
    assert found == [(0, 0), (0.8, 20), (1.6, 40)]


def test_a_rate_starts_with_the_first_frame() -> None:
    assert extracted(ExtractFrames(select="fps", fps=2), video(numbered(20))) == [(0, 0), (0.5, 5), (1, 10), (1.5, 15)]


def test_times_are_those_of_the_time_stamps() -> None:
    stamps = [0, 100, 200, 1200, 1300, 3000, 3100, 3200]
    file = video(numbered(8), times=stamps)
    step = ExtractFrames(select="times", times=[0.15, 1.1, 1.25, 2.9, 3.05])
    assert [number for _, number in extracted(step, file)] == [1, 2, 3, 4, 5]


def test_frames_of_a_clip_are_within_its_time_span(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(video(numbered(50)))
    clip = f"{tmp_path}/a.mp4#t=1,3"
    assert extracted(ExtractFrames(count=3), clip) == [(1, 10), (1.9, 19), (2.9, 29)]
    assert extracted(ExtractFrames(select="key"), clip) == [(1, 10), (2, 20)]
    assert extracted(ExtractFrames(select="times", times=[0.5]), clip) == [(1.5, 15)]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_frames_are_upright_and_reduced(rotation: int) -> None:
    frame = gray(0, 96, 64)
    frame[:32, :48] = 255  # the upper left quarter
    [row] = ExtractFrames(count=1, side=48).apply(batch([video([frame] * 5, rotation=rotation)])).to_pylist()
    image = np.asarray(Image.open(io.BytesIO(row["frames"][0]["bytes"])).convert("L"))
    turned = np.rot90(frame[:, :, 0], -rotation // 90)
    assert image.shape == (turned.shape[0] // 2, turned.shape[1] // 2)
    assert abs(image.astype(int) - turned[::2, ::2]).mean() < 10


def test_null_and_damaged_videos_fail_alone() -> None:
    rows = batch([None, video(moving(5)), b"no video"])
    found = ExtractFrames(count=1).apply(rows).to_pylist()
    assert [row["frames"] is None for row in found] == [True, False, True]
    assert {at: plain(text).partition(":")[0] for at, text in rows.failures.items()} == {0: "noMedia", 2: "notVideo"}


def test_limits_fail_the_row() -> None:
    file = video(numbered(30))
    assert reason(ExtractFrames(select="fps", fps=10, max_frames=29), file) == "tooManyFrames"
    assert reason(ExtractFrames(select="key", max_frames=2), file) == "tooManyFrames"
    assert reason(ExtractFrames(select="times", times=[3.5]), file) == "noFrame"
    assert reason(ExtractFrames(max_duration=2), file) == "tooLong"
    assert reason(ExtractFrames(max_pixels=3000), file) == "tooManyPixels"


REFERENCES: dict[str, dict[str, Any]] = {
    "B-frames": {"codec": "libx264", "fps": 25, "gop": 20, "bf": "3", "preset": "fast"},
    "B-frames in Matroska": {"kind": "matroska", "codec": "libx264", "gop": 20, "bf": "3", "preset": "fast"},
    "B-frames in a transport stream": {"kind": "mpegts", "codec": "libx264", "fps": 25, "gop": 20, "bf": "2"},
    "MPEG-2": {"kind": "mpegts", "codec": "mpeg2video", "fps": 25, "bf": "2"},
    "AVI, which has no time stamps": {"kind": "avi", "codec": "mpeg4", "fps": 25, "bf": "2"},
    "VP9 with hidden frames": {"kind": "webm", "codec": "libvpx-vp9", "gop": 20, "auto-alt-ref": "1", "lag-in-frames": "16"},
    "a variable frame rate": {"codec": "libx264", "bf": "3", "times": [int(40 * n + 900 * (n // 7)) for n in range(60)]},
}


@pytest.mark.parametrize("name", REFERENCES)
def test_frames_that_others_do_not_need_are_skipped_without_effect(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(video(numbered(60), **REFERENCES[name]))
    with open_video(open_file(MediaValue(path=f"{tmp_path / 'a'}"))) as stream:
        shown = [(frame.time, number_of(frame.rgb())) for frame in stream.frames()]
    random = np.random.default_rng(11)
    for _ in range(6):
        times = sorted(random.uniform(0, shown[-1][0], random.integers(1, 6)).tolist())
        found = extracted(ExtractFrames(select="times", times=times, format="png"), str(tmp_path / "a"))
        expected = [max(pair for pair in shown if pair[0] <= time + 1e-6) for time in times]
        assert [number for _, number in found] == [number for _, number in expected], times
        part = extracted(
            ExtractFrames(select="fps", fps=100, format="png"), f"{tmp_path / 'a'}#t={times[0]:f},{times[-1] + 1:f}"
        )
        assert part[0] == (round(expected[0][0], 3), expected[0][1])


def test_a_truncated_file_does_not_give_other_frames() -> None:
    file = with_index_first(video(numbered(50)))
    assert len(extracted(ExtractFrames(count=3), file)) == 3
    assert reason(ExtractFrames(count=3), file[: len(file) * 2 // 3]) in ("truncated", "damaged")


@pytest.mark.parametrize(
    "options", [{"select": "times"}, {"times": [1]}, {"select": "times", "times": [-1]}, {"output": "video"}]
)
def test_parameters_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExtractFrames(**options)
