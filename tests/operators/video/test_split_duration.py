"""splitDuration: parts of a fixed duration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datajob.errors import plain
from datajob.operators.video.split_duration import SplitDuration, parts
from datajob.operators.video.video_duration import VideoDuration
from tests.support.videos import batch, measure, moving, video


def split(step: SplitDuration, *values: Any) -> list[Any]:
    """The fragment of each part."""
    return [row["video"]["path"].partition("#")[2] for row in step.expand(batch(values)).to_pylist()]


@pytest.mark.parametrize(
    ("duration", "options", "expected"),
    [
        (25, (10, 0, 2), [(0, 10), (10, 20), (20, 25)]),
        (21, (10, 0, 2), [(0, 10), (10, 20)]),
        (21, (10, 0, 0), [(0, 10), (10, 20), (20, 21)]),
        (20, (10, 0, 2), [(0, 10), (10, 20)]),
        (1, (10, 0, 2), []),
        (1, (10, 0, 0), [(0, 1)]),
        (0, (10, 0, 0), []),
        (26, (10, 2, 2), [(0, 10), (8, 18), (16, 26)]),
        (18, (10, 2, 2), [(0, 10), (8, 18)]),
    ],
)
def test_parts_cover_the_video(duration: float, options: tuple[float, float, float], expected: list[Any]) -> None:
    assert parts(duration, *options) == expected


def test_each_part_is_a_reference_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(video(moving(55)))
    path = f"{tmp_path}/a.mp4"
    rows = SplitDuration(seconds=2, min_last=1, start="start", end="end").expand(batch([path])).to_pylist()
    assert [row["video"]["path"] for row in rows] == [f"{path}#t={span}" for span in ("0,2", "2,4", "4,5.5")]
    assert [(row["start"], row["end"]) for row in rows] == [(0, 2), (2, 4), (4, 5.5)]
    assert measure(VideoDuration(), *(row["video"]["path"] for row in rows)) == pytest.approx([2, 2, 1.5])


def test_the_keys_of_samples_remain_unique(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(video(moving(35)))
    rows = batch([f"{tmp_path}/a.mp4"] * 2, __key__=pa.array(["x/clip", None]))
    found = SplitDuration(seconds=2, min_last=1).expand(rows).column("__key__").to_pylist()
    assert found == ["x/clip-0-2000", "x/clip-2000-3500", None, None]


def test_parts_of_a_clip_are_within_it(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(video(moving(55)))
    assert split(SplitDuration(seconds=1, min_last=0), f"{tmp_path}/a.mp4#t=1.5,4") == ["t=1.5,2.5", "t=2.5,3.5", "t=3.5,4"]


def test_files_that_do_not_state_their_duration_are_split(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(video(moving(30), "matroska", live="1"))
    assert split(SplitDuration(seconds=2, min_last=0), f"{tmp_path}/a.mkv") == ["t=0,2", "t=2,3"]


def test_bytes_and_missing_videos_fail(tmp_path: Path) -> None:
    rows = batch([video(moving(50)), None, f"{tmp_path}/none.mp4"])
    assert SplitDuration().expand(rows).num_rows == 0
    assert {at: plain(why).partition(":")[0] for at, why in rows.failures.items()} == {0: "noPath", 1: "noMedia", 2: "notFound"}


@pytest.mark.parametrize("options", [{"overlap": 10}, {"min_last": 11}])
def test_parameters_that_contradict_each_other_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SplitDuration(**options)
