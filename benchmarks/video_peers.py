"""What users write instead of steps on video: loops with PyAV, and PySceneDetect."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import av


def decode(data: bytes) -> None:
    """All frames, with one thread, and nothing else."""
    with av.open(io.BytesIO(data)) as opened:
        opened.streams.video[0].thread_count = 1
        for _ in opened.decode(video=0):
            pass


def read_on(data: bytes, times: Sequence[float]) -> list[Any]:
    """The frames at some times, by decoding from the start up to the last one."""
    found: list[Any] = []
    with av.open(io.BytesIO(data)) as opened:
        opened.streams.video[0].thread_count = 1
        before: Any = None
        for frame in opened.decode(video=0):
            while len(found) < len(times) and before is not None and frame.time > times[len(found)] + 1e-6:
                found.append(before)
            if len(found) == len(times):
                return found
            before = frame
    return found + [before] * (len(times) - len(found))


def seek(data: bytes, times: Sequence[float]) -> list[Any]:
    """The frames at some times, by a seek to the key frame before each of them."""
    found: list[Any] = []
    with av.open(io.BytesIO(data)) as opened:
        track = opened.streams.video[0]
        track.thread_count = 1
        for time in times:
            opened.seek(int(time / track.time_base), stream=track)
            before: Any = None
            for frame in opened.decode(track):
                if before is not None and frame.time > time + 1e-6:
                    break
                before = frame
            found.append(before)
    return found


def detect(path: str) -> None:
    """PySceneDetect with PyAV."""
    import scenedetect
    from scenedetect.backends.pyav import VideoStreamAv

    manager = scenedetect.SceneManager()
    manager.add_detector(scenedetect.ContentDetector())
    manager.detect_scenes(VideoStreamAv(path, threading_mode=None))
