"""sceneSplit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scenedetect
from pydantic import ValidationError

from datajob.engine.plan.steps import Step
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.chain import Chain
from datajob.errors import InputError, plain
from datajob.operators.base import Batch
from datajob.operators.media.sections import sections
from datajob.operators.video._scenes import Lengths, adaptive_cuts, content_cuts, scenes
from datajob.operators.video.black_frames import BlackFrames
from datajob.operators.video.motion_score import MotionScore
from datajob.operators.video.scene_split import SceneSplit
from tests.support.videos import Pixels, batch, gray, moving, video

RANDOM_SEED = 17


def colored(*color: int, count: int = 30) -> list[Pixels]:
    """Frames of one color, with a moving square."""
    frames = [np.full_like(frame, color) for frame in moving(count)]
    for number, frame in enumerate(frames):
        frame[8:20, number : number + 12] = 255 - frame[0, 0]
    return frames


def three_scenes() -> list[Pixels]:
    return [*colored(200, 30, 30), *colored(20, 40, 180), *colored(90, 160, 20)]


def file(folder: Path, frames: list[Pixels], **settings: Any) -> str:
    path = folder / "a.mp4"
    path.write_bytes(video(frames, **settings))
    return str(path)


def parts(step: SceneSplit, path: str) -> list[tuple[float, float]]:
    table = step.model_copy(update={"start": "start", "end": "end"}).expand(batch([path]))
    return list(zip(table.column("start").to_pylist(), table.column("end").to_pylist(), strict=True))


def scores_of(values: Any, threshold: float, shortest: float, detector: str) -> list[int]:
    """The cuts of PySceneDetect for given scores, at 10 frames per second."""

    class Content(scenedetect.ContentDetector):
        def _calculate_frame_score(self, timecode: Any, frame_img: Any) -> float:
            return float(values[timecode.frame_num])

    class Adaptive(scenedetect.AdaptiveDetector):
        def _calculate_frame_score(self, timecode: Any, frame_img: Any) -> float:
            return float(values[timecode.frame_num])

    found: Any = (
        Content(threshold=threshold, min_scene_len=shortest)
        if detector == "content"
        else Adaptive(adaptive_threshold=threshold, min_scene_len=shortest)
    )
    cuts: list[int] = []
    for number in range(len(values)):
        timecode = scenedetect.FrameTimecode(number, fps=10.0)
        cuts += [cut.frame_num for cut in found.process_frame(timecode, np.zeros((1, 1, 3), np.uint8))]
    return cuts


@pytest.mark.parametrize("shortest", [0.0, 0.35, 0.75])
def test_cuts_equal_those_of_pyscenedetect_for_the_same_scores(shortest: float) -> None:
    random = np.random.default_rng(RANDOM_SEED)
    found = 0
    for _ in range(40):
        values = np.where(random.random(80) < random.choice([0.1, 0.5]), random.uniform(0, 120, 80), random.uniform(0, 9, 80))
        values[0] = 0
        values[40:46] = 0
        times = (np.arange(80) / 10).tolist()
        content = content_cuts(times, values.tolist(), 27.0, shortest)
        assert content == scores_of(values, 27.0, shortest, "content")
        adaptive = adaptive_cuts(times, values.tolist(), 3.0, shortest)
        assert adaptive == scores_of(values, 3.0, shortest, "adaptive")
        found += len(content) + len(adaptive)
    assert found > 200


@pytest.mark.parametrize("detector", ["content", "adaptive"])
def test_scenes_of_a_video_equal_those_of_pyscenedetect(tmp_path: Path, detector: Any) -> None:
    path = file(tmp_path, three_scenes())
    reference: Any = scenedetect.ContentDetector if detector == "content" else scenedetect.AdaptiveDetector
    expected = [(start.seconds, end.seconds) for start, end in scenedetect.detect(path, reference(min_scene_len=0.6))]
    found = parts(SceneSplit(detector=detector, min=0), path)
    assert np.array(found) == pytest.approx(np.array(expected), abs=1e-5)
    assert len(expected) == 3


def test_one_row_per_scene_refers_to_the_file_and_keeps_the_other_columns(tmp_path: Path) -> None:
    path = file(tmp_path, three_scenes())
    table = SceneSplit(min=1).expand(batch([path, path], id=["a", "b"]))
    references = [f"{path}#t={times}" for times in ("0,3", "3,6", "6,9")]
    assert [value["path"] for value in table.column("video").to_pylist()] == [*references, *references]
    assert table.column("id").to_pylist() == ["a"] * 3 + ["b"] * 3


def test_the_frame_of_a_cut_belongs_to_one_part_only(tmp_path: Path) -> None:
    frames = [*[gray(20)] * 10, *[gray(200)] * 11]
    path = file(tmp_path, frames, times=[round(number * 1001 / 30) for number in range(21)], fps=30)
    first, second = SceneSplit(min=0, min_scene=0).expand(batch([path])).column("video").to_pylist()
    shares = BlackFrames(luma=0.5, max=None).measures(Batch(batch([first["path"], second["path"]]).table))["black_frames"]
    assert shares.tolist() == [1, 0]


def test_parts_of_a_part_are_times_of_the_file(tmp_path: Path) -> None:
    path = file(tmp_path, three_scenes())
    assert parts(SceneSplit(min=0), f"{path}#t=2,7") == [(2, 3), (3, 6), (6, 7)]


def test_lengths_of_parts() -> None:
    times = [number / 10 for number in range(100)]
    assert scenes(times, [5, 60], Lengths(min=1, max=None, trim=0)) == [(0.5, 6), (6, 10)]
    assert scenes(times, [5, 60], Lengths(min=1, max=2.5, trim=0)) == [
        (0.5, 2.333333), (2.333333, 4.166666), (4.166666, 6), (6, 8), (8, 10),
    ]  # fmt: skip
    assert scenes(times, [5, 60], Lengths(min=0, max=None, trim=0.4)) == [(0.9, 5.6), (6.4, 9.6)]
    assert scenes([0.0], [], Lengths(min=0, max=None, trim=0)) == []


def test_rows_that_cannot_be_split_fail_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"\0" * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    rows = batch([str(tmp_path / "bad.mp4"), str(tmp_path / "empty.mp4"), None, video(three_scenes())])
    assert SceneSplit().expand(rows).num_rows == 0
    assert [plain(rows.failures[row]).partition(":")[0] for row in range(4)] == ["notVideo", "empty", "noMedia", "noPath"]


def test_a_list_of_videos_is_refused() -> None:
    import pyarrow as pa

    with pytest.raises(InputError, match="`explode`"):
        SceneSplit().expand(Batch(pa.table({"video": pa.array([["a.mp4"]])})))


@pytest.mark.parametrize("parameters", [{"min": 40}, {"threshold": 0}, {"width": 4}, {"detector": "hash"}])
def test_parameters_that_cannot_work_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SceneSplit(**parameters)


def test_steps_before_it_share_the_decode_and_each_row_is_counted_where_it_ends(tmp_path: Path) -> None:
    (tmp_path / "black.mp4").write_bytes(video([gray(0)] * 20))
    (tmp_path / "bad.mp4").write_bytes(b"\0" * 100)
    good = file(tmp_path, three_scenes())
    table = batch([str(tmp_path / "black.mp4"), good, str(tmp_path / "bad.mp4"), video(three_scenes())], id=[0, 1, 2, 3]).table
    steps = (BlackFrames(output="black"), MotionScore(method="difference", min=0.001), SceneSplit(min=1))
    assert sections([*steps, BlackFrames()]) == [(0, 3), (3, 4)]
    accounting = Accounting("drop")
    result = Chain([Step(step.key, step) for step in steps], accounting).apply(table)
    counts = [(c.rows_in, c.rows_out, sum(c.rejected.values()), c.failed) for c in accounting.tally.steps.values()]
    assert counts == [(4, 2, 1, 1), (2, 2, 0, 0), (2, 3, 0, 1)]
    assert "noPath" in accounting.step("sceneSplit").error
    assert result.column("id").to_pylist() == [1, 1, 1]
    assert result.column("black").to_pylist() == [0, 0, 0]
    alone = Accounting("drop")
    for step in steps:
        table = Chain([Step(step.key, step)], alone).apply(table)
    assert result.equals(table)
