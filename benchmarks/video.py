"""Steps on video: speed on one core, memory for an hour of 1080p, cost of the child process, and Data-Juicer.

    python -m benchmarks.video [names of parts] [--runs 5]

Speed is processor time of one thread. Compared values are measured in turns. Measures and frames are computed in the process
itself: `isolation` is the cost of the child process.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import video_peers
from benchmarks.audio import processor
from benchmarks.figures import Figure, publish
from benchmarks.video_corpus import drawn, hour, real
from datajob.media.files import MediaFile
from datajob.media.isolation import run_isolated, runner
from datajob.media.values import MediaValue
from datajob.media.video_stream import open_video
from datajob.operators.media.video_rows import VideoWork
from datajob.operators.video._frame_times import uniform_times
from datajob.operators.video.black_frames import BlackFrames
from datajob.operators.video.motion_score import MotionScore
from datajob.operators.video.scene_split import SceneSplit
from datajob.operators.video.static_video import StaticVideo

SCENES, BLACK, KEYS = SceneSplit(min=0), BlackFrames(max=None), BlackFrames(max=None, which="key")
TOGETHER = (BLACK, StaticVideo(max=None), MotionScore(method="difference"), SCENES)
STEPS: dict[str, tuple[tuple[Any, ...], str]] = {
    "scenes, black, static, difference": (TOGETHER, ">= 0.85"),
    "scenes": ((SCENES,), ""),
    "black": ((BLACK,), ""),
    "black, key frames": ((KEYS,), ">= 4"),
    "flow": ((MotionScore(),), ""),
    "motion vectors": ((MotionScore(method="vectors"),), ""),
}
FRAMES = 8


def videos() -> dict[str, bytes]:
    """Real videos, and drawn ones."""
    return {**real(), "drawn 720p": drawn(1280, 720), "drawn 1080p": drawn(1920, 1080)}


def section(steps: tuple[Any, ...], value: MediaValue) -> tuple[VideoWork, Any]:
    """The work of a section, and its input for one value."""
    work = VideoWork(steps, lists=False, decides=False)
    [item] = work.inputs([(value,)], None)
    return work, item


def turns(ours: Callable[[], Any], *others: Callable[[], Any], runs: int) -> tuple[float, list[float]]:
    """The median processor time of `ours`, and the median ratio of each of the others to it."""
    calls = (ours, *others)
    for call in calls:
        call()
    found = [[_seconds(call) for call in calls] for _ in range(runs)]
    ratios = [statistics.median(row[at] / row[0] for row in found) for at in range(1, len(calls))]
    return statistics.median(row[0] for row in found), ratios


def _seconds(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def _duration(data: bytes) -> float:
    with open_video(MediaFile.of(data)) as stream:
        return float(stream.track.duration * stream.track.time_base)


def measures(runs: int) -> list[Figure]:
    """Each measure, and those of one pass, compared with decoding alone; scenes also with PySceneDetect."""
    figures = []
    for name, data in videos().items():
        for step, (steps, goal) in STEPS.items():
            work, item = section(steps, MediaValue(data))
            took, [ratio] = turns(partial(work, item), partial(video_peers.decode, data), runs=runs)
            figures.append(Figure(f"{name}, {step}", _duration(data) / took, "x real time", "decoding alone", ratio, goal))
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            file.write(data)
            file.flush()
            work, item = section((SCENES,), MediaValue(data))
            took, [ratio] = turns(partial(work, item), partial(video_peers.detect, file.name), runs=runs)
            figures.append(Figure(f"{name}, scenes", _duration(data) / took, "x real time", "PySceneDetect", ratio))
    return figures


def frames(runs: int) -> list[Figure]:
    """Uniform frames, compared with the better of seeking to each and decoding up to the last. Nothing is encoded."""
    figures = []
    for name, data in {**videos(), "drawn 720p, 60 s": drawn(1280, 720, 60), "one group": drawn(1280, 720, 20, 900)}.items():
        duration = _duration(data)
        times = uniform_times(FRAMES, 0, duration, duration - 0.04)

        def ours(data: bytes = data, times: list[float] = times) -> list[float]:
            with open_video(MediaFile.of(data)) as stream:
                return [frame.time for frame in stream.at(times)]

        expected = [round(frame.time, 3) for frame in video_peers.read_on(data, times)]
        assert [round(time, 3) for time in ours()] == expected
        others = [partial(video_peers.read_on, data, times), partial(video_peers.seek, data, times)]
        took, (read_on, seek) = turns(ours, *others, runs=runs)
        against = f"reading on {took * read_on * 1e3:.0f} ms, seeking {took * seek * 1e3:.0f} ms"
        figures.append(Figure(f"{name}, {FRAMES} frames", took * 1e3, "ms", against, min(read_on, seek), ">= 0.91"))
    return figures


def isolation(runs: int) -> list[Figure]:
    """Processor time in the child compared with this process, by reference."""
    figures = []
    for name, data in videos().items():
        for step, steps in (("measures", TOGETHER), ("key frames", (KEYS,))):
            with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
                file.write(data)
                file.flush()
                work, item = section(steps, MediaValue(path=file.name))
                run_isolated(work, [item])
                work(item)
                found = []
                for _ in range(2 * runs):
                    inside = processor(lambda: run_isolated(work, [item] * 4))  # noqa: B023
                    found.append(inside / processor(lambda: [work(item) for _ in range(4)]))  # noqa: B023
            ratio = statistics.median(found)
            figures.append(Figure(f"isolation, {name}, {step}", ratio, "x", "in the worker itself", goal="<= 1.05"))
    return figures


def memory(runs: int) -> list[Figure]:
    """The peak memory of a new child for each step on an hour of 1080p."""
    from benchmarks.video_memory import peaks

    place = hour()
    against = f"{place.stat().st_size / 1e6:.0f} MB file"
    return [Figure(f"memory for 1 hour of 1080p, {name}", peak, "MB", against, goal="<= 300") for name, peak in peaks(place)]


def data_juicer(runs: int) -> list[Figure]:
    """Duration and uniform frames, compared with Data-Juicer in a separate environment."""
    from benchmarks.video_data_juicer import against_data_juicer

    with tempfile.TemporaryDirectory(prefix="datajob-bench-") as work:
        return against_data_juicer(Path(work), runs)


PARTS = {"measures": measures, "frames": frames, "isolation": isolation, "memory": memory, "data_juicer": data_juicer}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[], help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--runs", type=int, default=5, help="turns of each comparison")
    options, figures = parser.parse_args(), list[Figure]()
    for part in options.parts or PARTS:
        figures += PARTS[part](options.runs)
    runner.close()
    publish(figures)


if __name__ == "__main__":
    main()
