"""Steps on video and Data-Juicer: the same rules for the same files."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.data_juicer import Rules, Steps, compare, environment, write_lists
from benchmarks.figures import Figure
from benchmarks.video_corpus import clips, long_videos

NAMES = ("video", "videos")
PACKAGES = ("aiohttp", "av==13.1.0", "opencv-contrib-python-headless<5")
"""Data-Juicer's version of PyAV, and packages that it imports without stating them."""
RULES: Rules = {
    "duration": (
        [{"video_duration_filter": {"min_duration": 2, "max_duration": 4, "video_backend": "av"}}],
        [{"videoDuration": {"min": 2, "max": 4}}],
        ">= 5",
    ),
}


LONG = {"5 minutes, key frames every 2 s": ("film 640x272", 30), "30 seconds, key frames every 5 s": ("animation 720p", 6)}
"""Videos of which 8 frames are extracted: a real one that is repeated."""


def against_data_juicer(work: Path, runs: int) -> list[Figure]:
    """Complete processes in turns, on all cores: headers of short clips, and frames of longer videos."""
    figures = _compared(work / "clips", clips(300), RULES, runs)
    for name, (video, times) in LONG.items():
        place = work / video.replace(" ", "-")  # their command splits paths at spaces
        figures += _compared(place, long_videos(video, times, 20), {f"8 frames, {name}": _frames(place)}, runs)
        figures.append(_equal_frames(place, name))
    return figures


def _compared(work: Path, videos: Path, rules: Rules, runs: int) -> list[Figure]:
    work.mkdir()
    write_lists(sorted(map(str, videos.iterdir())), NAMES, work)
    return compare(environment("video", *PACKAGES), work, NAMES, rules, runs)


def _frames(work: Path) -> tuple[Steps, Steps, str]:
    """8 uniform frames as JPEG files. The folder of theirs is deleted before each run."""
    theirs = {
        "frame_sampling_method": "uniform", "frame_num": 8, "output_format": "path", "frame_field": "frames",
        "frame_dir": str(work / "theirs" / "frames"), "legacy_split_by_text_token": False,
    }  # fmt: skip
    ours = {"count": 8, "quality": 75}  # the default of Pillow, which they use
    return [{"video_extract_frames_mapper": theirs}], [{"extractFrames": ours}], ">= 3"


def _equal_frames(work: Path, name: str) -> Figure:
    """The number of videos of which both tools extract the same number of frames."""
    rows = [json.loads(line) for path in (work / "out").glob("*.jsonl") for line in path.open()]
    theirs = {place.name: len(list(place.iterdir())) for place in (work / "theirs" / "frames").iterdir()}
    same = sum(len(row["frames"]) == theirs.get(Path(row["video"]).stem) for row in rows)
    return Figure(f"8 frames, {name}, equal numbers of frames", same, "files", f"of {len(rows)}")
