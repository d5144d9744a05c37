"""Measures of video frames, compared with decoding alone and with PySceneDetect.

    python -m benchmarks.video_measures [--runs 5]

Values are processor time of one thread, measured in turns. The measures run in the process itself: the cost of the child
process is that of `benchmarks.image_isolation`.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from benchmarks.figures import Figure, publish
from datajob.media.values import MediaValue
from datajob.operators.media.video_rows import VideoWork
from datajob.operators.video.black_frames import BlackFrames
from datajob.operators.video.motion_score import MotionScore
from datajob.operators.video.scene_split import SceneSplit
from datajob.operators.video.static_video import StaticVideo

FPS, SECONDS, CUT = 30, 10, 93
SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
SCENES, DIFFERENCE = SceneSplit(min=0), MotionScore(method="difference")
TOGETHER = (BlackFrames(max=None), StaticVideo(max=None), DIFFERENCE, SCENES)
STEPS: dict[str, tuple[tuple[Any, ...], str]] = {
    "scenes, black, static, difference": (TOGETHER, ">= 0.85"),
    "scenes": ((SCENES,), ""),
    "black": ((BlackFrames(max=None),), ""),
    "black, key frames": ((BlackFrames(max=None, which="key"),), ">= 4"),
    "flow": ((MotionScore(),), ""),
    "motion vectors": ((MotionScore(method="vectors"),), ""),
}


def drawn(width: int, height: int, seconds: int = SECONDS) -> bytes:
    """H.264 with a key frame every 2 seconds: textures that pan, the noise of a camera, and a cut every 93 frames."""
    random, result = np.random.default_rng(3), io.BytesIO()
    noise: list[Any] = [random.integers(0, 8, (height, width, 3)).astype(np.uint8) for _ in range(5)]
    texture: Any = None
    with av.open(result, "w", format="mp4") as target:
        encoder: Any = target.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        encoder.width, encoder.height, encoder.pix_fmt, encoder.gop_size = width, height, "yuv420p", 2 * FPS
        for number in range(seconds * FPS):
            if number % CUT == 0:
                coarse = random.integers(0, 256, (height // 16 + 20, width // 16 + 20, 3)).astype(np.uint8)
                texture = cv2.resize(coarse, (width + 200, height + 200), interpolation=cv2.INTER_CUBIC)
                texture = cv2.add(texture, random.integers(0, 12, texture.shape).astype(np.uint8))
            left = number % 190
            pixels = cv2.add(texture[left // 2 : left // 2 + height, left : left + width], noise[number % len(noise)])
            frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            target.mux(encoder.encode(frame))
        target.mux(encoder.encode(None))
    return result.getvalue()


def decode(data: bytes) -> None:
    """All frames, with one thread, and nothing else."""
    with av.open(io.BytesIO(data)) as opened:
        opened.streams.video[0].thread_count = 1
        for _ in opened.decode(video=0):
            pass


def detect(path: str) -> None:
    """PySceneDetect with PyAV."""
    import scenedetect
    from scenedetect.backends.pyav import VideoStreamAv

    manager = scenedetect.SceneManager()
    manager.add_detector(scenedetect.ContentDetector())
    manager.detect_scenes(VideoStreamAv(path, threading_mode=None))


def turns(ours: Callable[[], Any], theirs: Callable[[], Any], runs: int) -> tuple[float, float]:
    """The median processor time of `ours`, and the median ratio of `theirs` to it."""
    ours()
    theirs()
    found = [(_seconds(ours), _seconds(theirs)) for _ in range(runs)]
    return statistics.median(a for a, _ in found), statistics.median(b / a for a, b in found)


def _seconds(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def measures(runs: int) -> list[Figure]:
    """Each measure, and those of one pass, compared with decoding alone."""
    figures = []
    for size, (width, height) in SIZES.items():
        data = drawn(width, height)
        for name, (steps, goal) in STEPS.items():
            work = VideoWork(steps, lists=False, decides=False)
            [item] = work.inputs([(MediaValue(data),)], None)
            took, ratio = turns(lambda: work(item), lambda: decode(data), runs)  # type: ignore[arg-type] # noqa: B023
            figures.append(Figure(f"{size}, {name}", SECONDS / took, "x real time", "decoding alone", ratio, goal))
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "a.mp4").write_bytes(data)
            work = VideoWork((SCENES,), lists=False)
            [item] = work.inputs([(MediaValue(data),)], None)
            took, ratio = turns(lambda: work(item), lambda: detect(f"{folder}/a.mp4"), runs)  # type: ignore[arg-type] # noqa: B023
            figures.append(Figure(f"{size}, scenes", SECONDS / took, "x real time", "PySceneDetect", ratio))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="turns of each comparison")
    publish(measures(parser.parse_args().runs))


if __name__ == "__main__":
    main()
