"""The peak memory of the child process for steps on a long video, which is read by reference."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from datajob.media.isolation import runner
from datajob.media.values import media_type
from datajob.operators.audio.resample_audio import ResampleAudio
from datajob.operators.batch import Batch
from datajob.operators.dedup.video_dedup import VideoDedup
from datajob.operators.media.sections import Section
from datajob.operators.video.black_frames import BlackFrames
from datajob.operators.video.cut_media import CutMedia
from datajob.operators.video.extract_audio import ExtractAudio
from datajob.operators.video.extract_frames import ExtractFrames
from datajob.operators.video.motion_score import MotionScore
from datajob.operators.video.scene_split import SceneSplit
from datajob.operators.video.static_video import StaticVideo

MEASURES: tuple[Any, ...] = (
    BlackFrames(max=None),
    StaticVideo(max=None),
    MotionScore(),
    MotionScore(method="difference"),
    MotionScore(method="vectors"),
)


def peaks(video: Path) -> Iterator[tuple[str, float]]:
    """The name of each step that decodes or copies, and the largest resident memory (MB) of a child that runs it."""
    whole, hour = str(video), f"{video}#t=0,3600"
    calls: dict[str, Any] = {
        "extractFrames, 8 uniform": lambda: ExtractFrames(count=8).apply(_batch(whole)),
        "extractFrames, key frames": lambda: ExtractFrames(select="key").apply(_batch(whole)),
        "extractFrames, 0.2 per second": lambda: ExtractFrames(select="fps", fps=0.2).apply(_batch(whole)),
        "sceneSplit": lambda: SceneSplit().expand(_batch(whole)),
        "measures of frames": lambda: Section(MEASURES, decides=False).run(_batch(whole)).measures(0),
        "videoDedup, packets": lambda: VideoDedup().signatures(_batch(whole)),
        "videoDedup, frames": lambda: VideoDedup(method="frames").signatures(_batch(whole)),
        "cutMedia, the hour as a part": lambda: CutMedia().apply(_batch(hour)),
        "cutMedia, encoded again, 10 s": lambda: CutMedia(reencode=True).apply(_batch(f"{video}#t=1800,1810")),
        "extractAudio, copy": lambda: ExtractAudio(format="copy").apply(_batch(whole)),
        "resampleAudio of the audio": lambda: ResampleAudio(column="video", format="flac").apply(_batch(whole)),
    }
    for name, call in calls.items():
        runner.close()
        call()
        yield name, _peak()


def _batch(path: str) -> Batch:
    return Checked(pa.table({"video": pa.array([{"bytes": None, "path": path}], media_type())}))


class Checked(Batch):
    """A batch whose rows must not fail."""

    def fail(self, row: int, reason: str) -> None:
        """Raise the reason."""
        raise AssertionError(reason)


def _peak() -> float:
    with open(f"/proc/{runner.child_pid()}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
