"""cutMedia."""

from __future__ import annotations

import io
from math import ceil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from pydantic import ValidationError

from datajob.errors import plain
from datajob.operators.video.cut_media import CutMedia
from tests.support.videos import Pixels, batch, moving, video

EVEN = {"sc_threshold": "1000000000"}
"""No key frames in addition to those of each group."""
SOUND = np.sin(2 * np.pi * 440 * np.arange(80_000) / 16_000).astype(np.float32)[:, None] / 3


def cut(step: CutMedia, value: Any) -> bytes:
    [found] = step.apply(batch([value])).column("video").to_pylist()
    data: bytes = found["bytes"]
    return data


def numbered(count: int) -> list[Pixels]:
    """Frames with their number as eight bars, black or white, which no codec changes beyond recognition."""
    bits = (np.arange(count)[:, None] >> np.arange(8)) & 1
    return [np.repeat((255 * row).astype(np.uint8), 8)[None, :, None].repeat(48, 0).repeat(3, 2) for row in bits]


def number_of(pixels: Pixels) -> int:
    return int(((pixels.mean(axis=(0, 2)).reshape(8, 8).mean(axis=1) > 127) << np.arange(8)).sum())


def numbers(data: bytes) -> list[int]:
    """The frames of `numbered` in a file, in the order of display."""
    with av.open(io.BytesIO(data)) as opened:
        assert opened.streams.video[0].start_time in (0, None)
        return [number_of(frame.to_ndarray(format="rgb24")) for frame in opened.decode(video=0)]


def seconds_of_sound(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as opened:
        return sum(frame.samples / frame.sample_rate for frame in opened.decode(audio=0))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """50 numbered frames at 10 per second with a key frame per second, and sound."""
    file = tmp_path_factory.mktemp("cut") / "a.mp4"
    file.write_bytes(video(numbered(50), audio=SOUND, gop=10, **EVEN))
    return str(file)


@pytest.mark.parametrize(("times", "key", "first", "last"), [
    ("1.5,3.2", "before", 10, 31), ("1.5,3.2", "after", 20, 31), ("2,3", "before", 20, 29), ("2,3", "after", 20, 29),
    ("0,0.5", "before", 0, 4), ("4.2", "before", 40, 49),
])  # fmt: skip
def test_packets_are_copied_from_a_key_frame_to_the_end(path: str, times: str, key: Any, first: int, last: int) -> None:
    data = cut(CutMedia(key_frame=key), f"{path}#t={times}")
    assert numbers(data) == list(range(first, last + 1))
    assert seconds_of_sound(data) == pytest.approx((last + 1 - first) / 10, abs=0.35)


@pytest.mark.parametrize("codec", ["vp9", "av1"])
def test_encoded_parts_have_exact_frames(path: str, codec: Any) -> None:
    data = cut(CutMedia(reencode=True, codec=codec, quality=20), f"{path}#t=1.5,3.2")
    assert numbers(data) == list(range(15, 32))
    assert seconds_of_sound(data) == pytest.approx(1.7, abs=0.2)


def test_videos_that_are_not_parts_remain_unless_they_are_encoded(path: str) -> None:
    rows = batch([path])
    assert CutMedia().apply(rows).column("video").to_pylist() == [{"bytes": None, "path": path}]
    assert numbers(cut(CutMedia(reencode=True), path)) == list(range(50))


@pytest.mark.parametrize("kind", ["matroska", "mpegts", "mov"])
def test_containers(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a").write_bytes(video(numbered(30), kind, gop=10, **EVEN))
    assert numbers(cut(CutMedia(), f"{tmp_path / 'a'}#t=1,2"))[:9] == list(range(10, 19))


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
def test_no_frame_is_missing_where_a_seek_is_not_precise(tmp_path: Path, codec: str) -> None:
    (tmp_path / "a.ts").write_bytes(video(numbered(75), "mpegts", codec, gop=10, fps=25, audio=SOUND, **EVEN))
    for start, end in ((0, 0.5), (0.2, 1), (2, 2.4), (2.52, 3)):
        found = numbers(cut(CutMedia(), f"{tmp_path / 'a.ts'}#t={start},{end}"))
        assert found[0] <= start * 25 and found == list(range(found[0], ceil(end * 25)))
        again = numbers(cut(CutMedia(reencode=True), f"{tmp_path / 'a.ts'}#t={start},{end}"))
        assert again == list(range(ceil(start * 25), ceil(end * 25)))


def test_parts_of_a_file_have_names_of_their_own_with_the_extension_of_the_container(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(video(numbered(30), "mpegts", gop=10, **EVEN))
    parts = batch([f"{tmp_path / 'a.ts'}#t=0,1", f"{tmp_path / 'a.ts'}#t=1,2", f"{tmp_path / 'a.ts'}#t=2"])
    values = CutMedia().apply(parts).column("video").to_pylist()
    assert [value["path"] for value in values] == ["a-0-1000.mp4", "a-1000-2000.mp4", "a-2000.mp4"]


def test_frames_that_refer_to_later_ones_are_not_cut_off(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(video(numbered(40), codec="libx264", gop=10, bf="3", preset="fast", sc_threshold="0"))
    found = numbers(cut(CutMedia(), f"{tmp_path / 'a.mp4'}#t=1,2.2"))
    assert found[:8] == list(range(10, 18))
    assert found == sorted(set(found)) and max(found) <= 21


def test_the_rotation_remains(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(video(moving(20), rotation=90, gop=5))
    for step in (CutMedia(), CutMedia(reencode=True)):
        with av.open(io.BytesIO(cut(step, f"{tmp_path / 'a.mp4'}#t=0.5,1"))) as opened:
            assert next(opened.decode(video=0)).rotation % 360 == 270


def test_parts_without_a_key_frame_fail_the_row(path: str) -> None:
    rows = batch([f"{path}#t=1.5,1.8", f"{path}#t=70,80", None])
    CutMedia(key_frame="after").apply(rows)
    assert [plain(rows.failures[row]).partition(":")[0] for row in range(3)] == ["noKeyFrame", "noKeyFrame", "noMedia"]
    rows = batch([f"{path}#t=70,80"])
    CutMedia(reencode=True).apply(rows)
    assert plain(rows.failures[0]).startswith("noFrames")


@pytest.mark.parametrize("parameters", [{"codec": "h264"}, {"quality": 64}, {"keyFrame": "near"}])
def test_parameters_that_cannot_work_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CutMedia(**parameters)
