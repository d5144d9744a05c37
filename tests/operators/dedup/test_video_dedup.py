"""videoDedup: which videos are duplicates, and which of them are kept."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from datajob.errors import InputError, plain
from datajob.operators.base import Batch
from datajob.operators.dedup.video_dedup import VideoDedup
from datajob.operators.kernels.hamming import first_containing
from tests.support.local_jobs import make_job, read_manifest, run, write_parts
from tests.support.pictures import photo
from tests.support.videos import Pixels, batch, gray, video

WIDTH, HEIGHT = 256, 192


@cache
def clip(seed: int, seconds: int = 6) -> tuple[Pixels, ...]:
    """Two frames per second: another part of a photo each second."""
    random = np.random.default_rng(seed)
    photos = [np.asarray(photo(name)) for name in ("china", "flower", "face")]
    frames: list[Pixels] = []
    for second in range(seconds):
        pixels = photos[second % len(photos)]
        top, left = random.integers(0, pixels.shape[0] - HEIGHT), random.integers(0, pixels.shape[1] - WIDTH)
        frames += [np.ascontiguousarray(pixels[top : top + HEIGHT, left : left + WIDTH])] * 2
    return tuple(frames)


def encoded(frames: Any, **settings: Any) -> bytes:
    return video(list(frames), **{"fps": 2, "gop": 4, **settings})


def small(frames: Any) -> list[Pixels]:
    return [cv2.resize(frame, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA) for frame in frames]


def rejected(step: VideoDedup, values: list[Any], first: int = 0, **columns: Any) -> dict[int, int]:
    """The rejected rows, with the rows that are kept. Rows have the numbers from `first` on."""
    rows = batch(values, **columns)
    signatures = step.signatures(rows)
    numbered = signatures.set_column(0, "row", pa.array(signatures.column("row").to_numpy().astype(np.int64) + first))
    found = step.resolve(numbered)
    if step.confirms():
        linked = sorted({*found.column("row").to_pylist(), *found.column("kept").to_pylist()})
        chosen = Batch(rows.table.take(pa.array([row - first for row in linked], pa.int64())))
        evidence = step.evidence(chosen).append_column("row", pa.array(linked, pa.int64()))
        found = step.confirm(evidence.append_column("key", pa.array([0] * len(linked), pa.uint64())))
    return dict(zip(found.column("row").to_pylist(), found.column("kept").to_pylist(), strict=True))


def test_packets_find_copies_regardless_of_tags_and_sound() -> None:
    sound = np.zeros((16_000, 1), np.float32)
    values = [
        encoded(clip(1)),
        encoded(clip(2)),
        encoded(clip(1), audio=sound),
        encoded(clip(1), kind="mov"),
        encoded(clip(1), gop=1),
    ]
    assert rejected(VideoDedup(), values) == {2: 0, 3: 0}


def test_packets_of_parts_are_compared(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(encoded(clip(1)))
    (tmp_path / "b.mp4").write_bytes(encoded(clip(1)))
    times = ("0,2", "2,4", "0,2")
    values = [f"{tmp_path / name}#t={time}" for name, time in zip(("a.mp4", "a.mp4", "b.mp4"), times, strict=True)]
    assert rejected(VideoDedup(), values) == {2: 0}


def test_frames_find_other_sizes_codecs_and_frame_rates() -> None:
    double = [frame for frame in clip(1) for _ in range(2)]
    values = [
        encoded(clip(1)),
        encoded(clip(2)),
        encoded(small(clip(1)), kind="matroska", codec="libvpx-vp9", crf="40"),
        encoded(double, fps=4),
    ]
    assert rejected(VideoDedup(method="frames"), values) == {2: 0, 3: 0}


def test_a_part_of_a_longer_video_is_rejected_but_not_a_video_with_more_content() -> None:
    part, whole = encoded(clip(1)[4:10]), encoded(clip(1))
    assert rejected(VideoDedup(method="frames"), [whole, part]) == {1: 0}
    assert rejected(VideoDedup(method="frames"), [part, whole]) == {}
    assert rejected(VideoDedup(method="frames", share=0.4), [part, whole]) == {1: 0}
    assert rejected(VideoDedup(method="frames", keep="longest"), [part, whole]) == {0: 1}


def test_the_best_is_kept_and_an_existing_corpus_is_preferred() -> None:
    values = [encoded(clip(1)), encoded(clip(2)), encoded(small(clip(1)))]
    height = pa.array([1, 1, 9])
    for method in ("frames", "packets"):
        step = VideoDedup(method=method, keep="best", by="height")
        same = values if method == "frames" else [values[0], values[1], values[0]]
        assert rejected(step, same, height=height) == {0: 2}
        assert rejected(step, same, first=-2, height=height) == {0: -2}


def test_a_chain_of_similar_videos_is_not_rejected_as_a_whole() -> None:
    first, second = clip(1), clip(2)
    values = [encoded(first), encoded((*first[:6], *second[:6])), encoded(second)]
    assert rejected(VideoDedup(method="frames", share=0.5), values) == {1: 0}


def test_videos_without_structure_are_kept() -> None:
    assert rejected(VideoDedup(method="frames"), [encoded([gray(90)] * 6), encoded([gray(90)] * 6)]) == {}


def test_videos_that_cannot_be_read_fail_their_rows() -> None:
    for method in ("packets", "frames"):
        rows = batch([b"", b"\0" * 99, None, encoded(clip(1))])
        VideoDedup(method=method).signatures(rows)
        assert {row: plain(why).partition(":")[0] for row, why in rows.failures.items()} == {
            0: "empty", 1: "notVideo", 2: "noMedia",
        }  # fmt: skip


def test_a_list_of_videos_is_refused() -> None:
    with pytest.raises(InputError, match="one video per row"):
        VideoDedup().signatures(Batch(pa.table({"video": pa.array([[b""]])})))


def test_sets_are_contained_by_the_definition() -> None:
    random = np.random.default_rng(5)
    for _ in range(30):
        base = random.integers(0, 1 << 63, (6, 4)).astype(np.uint64)
        sets = [random.integers(0, 6, random.integers(0, 6)) for _ in range(8)]
        hashes = np.concatenate([base[one] for one in sets])
        hashes[:, 0] ^= random.integers(0, 8, len(hashes)).astype(np.uint64)
        bounds = np.cumsum([0, *map(len, sets)])
        found, always = np.zeros(8, np.int64), random.random(8) < 0.2
        share = float(random.choice([0.3, 0.5, 0.8, 1.0]))
        first_containing(hashes, bounds, np.array([0, 5, 8]), always, 6, share, found)
        expected: list[int] = []
        for at, one in enumerate(sets):
            kept = [other for other in range(5 if at >= 5 else 0, at) if expected[other] < 0]
            like = [other for other in kept if np.isin(one, sets[other]).mean() >= share] if len(one) else []
            expected.append(-1 if always[at] or not like else like[0])
        assert found.tolist() == expected


@pytest.mark.parametrize("parameters", [{"keep": "best"}, {"by": "x"}, {"share": 0}, {"distance": 65}, {"fps": 0}])
def test_parameters_that_cannot_work_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VideoDedup(**parameters)


@pytest.mark.ray
def test_a_job_keeps_one_of_each_over_several_files(tmp_path: Path) -> None:
    videos = [encoded(clip(seed)) for seed in (1, 2, 3)]
    copies = [encoded(small(clip(seed))) for seed in (2, 3)]
    write_parts(tmp_path / "in", [{"id": str(at), "video": data} for at, data in enumerate([*videos, *copies, videos[0]])], 3)
    run(make_job(tmp_path / "in", tmp_path / "out", [{"videoDedup": {"method": "frames"}}]))
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == ["0", "1", "2"]
