"""Folders of video files: references, facts of headers, and files that are not video."""

import os
from pathlib import Path

import pytest

from datajob.formats.video import VideoReader
from tests.support.rows import Bad, read
from tests.support.sounds import noise
from tests.support.videos import moving, video

FILES = {
    "a.mp4": video(moving(20, 96, 64), audio=noise(1), rotation=90),
    "b.mkv": video(moving(20), "matroska"),
    "c.avi": video(moving(20), "avi"),
    "d.ts": video(moving(50), "mpegts", "mpeg2video", fps=25),
    "e.mp4": video(moving(10)),
}


@pytest.mark.parametrize("load", ["bytes", "reference"])
def test_each_file_is_a_row_with_the_facts_of_its_header(tmp_path: Path, load: str) -> None:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    rows = read(VideoReader(paths=(str(tmp_path),), load=load)).to_pylist()
    assert [row["video"]["bytes"] for row in rows] == (list(FILES.values()) if load == "bytes" else [None] * 5)
    assert [os.path.basename(row["video"]["path"]) for row in rows] == list(FILES)
    names = ("width", "height", "fps", "frameCount", "rotation", "hasAudio", "codec")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (64, 96, 10, 20, 90, True, "mpeg4"),
        (64, 48, 10, None, 0, False, "mpeg4"),
        (64, 48, 10, 20, 0, False, "mpeg4"),
        (64, 48, 25, None, 0, False, "mpeg2video"),
        (64, 48, 10, 10, 0, False, "mpeg4"),
    ]
    assert [row["duration"] for row in rows] == pytest.approx([2, 2, 2, 2, 1], abs=0.01)


def test_references_are_the_default(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(FILES["e.mp4"])
    assert read(VideoReader(paths=(str(tmp_path),))).column("video").to_pylist() == [
        {"bytes": None, "path": f"{tmp_path}/a.mp4"}
    ]


def test_files_that_are_not_video_are_bad_records(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(FILES["e.mp4"])
    (tmp_path / "b.mp4").write_bytes(b"no video")
    (tmp_path / "c.avi").write_bytes(FILES["c.avi"][:100])
    bad = Bad()
    assert read(VideoReader(paths=(str(tmp_path),)), bad).num_rows == 1
    assert ["notVideo" in bad.reasons[0], "damaged" in bad.reasons[1]] == [True, True]
