"""extractAudio: references to the audio of videos, and copies of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import pyarrow as pa
import pytest

from datajob.errors import plain
from datajob.operators.audio.audio_duration import AudioDuration
from datajob.operators.audio.loudness import Loudness
from datajob.operators.audio.resample_audio import ResampleAudio
from datajob.operators.base import Batch
from datajob.operators.video.extract_audio import ExtractAudio
from tests.support.sounds import decoded, sine
from tests.support.videos import batch, moving, video

SOUND = sine(seconds=3, level=-20)
KINDS = ["mp4", "matroska", "mpegts", "avi"]


def with_sound(kind: str = "mp4") -> bytes:
    """A video of 3 seconds with a sine."""
    codec = "mpeg2video" if kind == "mpegts" else "mpeg4"
    return video(moving(75), kind, codec, fps=25, audio=SOUND)


def measured(step: Any, table: pa.Table) -> Any:
    """The first measure of the audio of each row."""
    return step.measures(Batch(table))[step.measured()[0]].tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["reference", "copy"])
def test_steps_on_audio_process_the_audio_of_videos(kind: str, how: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(with_sound(kind))
    for value in (str(tmp_path / "a"), with_sound(kind)):
        table = ExtractAudio(format=how).apply(batch([value]))
        assert measured(AudioDuration(exact=True), table) == pytest.approx([3], abs=0.1)
        assert measured(Loudness(), table) == pytest.approx([-23], abs=0.5)


def test_the_audio_is_converted_to_files_of_one_format(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(with_sound())
    table = ExtractAudio(folder=str(tmp_path)).apply(batch(["a.mp4#t=1,2"]))
    assert table.column("audio").to_pylist() == [{"bytes": None, "path": f"{tmp_path}/a.mp4#t=1,2"}]
    [value] = ResampleAudio(rate=8000, format="flac").apply(Batch(table)).column("audio").to_pylist()
    samples, rate = decoded(value["bytes"])
    assert (len(samples), rate) == (pytest.approx(8000, abs=2), 8000)


def test_a_copy_has_the_packets_of_the_video() -> None:
    [value] = ExtractAudio(format="copy").apply(batch([with_sound()])).column("audio").to_pylist()
    with av.open(io.BytesIO(value["bytes"])) as copy, av.open(io.BytesIO(with_sound())) as whole:
        assert [stream.type for stream in copy.streams] == ["audio"]
        of_video = [bytes(packet) for packet in whole.demux(whole.streams.audio[0]) if packet.size]
        assert [bytes(packet) for packet in copy.demux() if packet.size] == of_video


def test_a_copy_of_a_part_has_its_duration(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(with_sound())
    table = ExtractAudio(format="copy").apply(batch([f"{tmp_path}/a.mp4#t=1,2.5"]))
    assert measured(AudioDuration(exact=True), table) == pytest.approx([1.5], abs=0.15)


@pytest.mark.parametrize("kind", ["mp4", "matroska", "mpegts"])
def test_a_reference_to_a_part_has_all_samples_of_its_duration(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(with_sound(kind))
    table = ExtractAudio().apply(batch([f"{tmp_path}/a#t={start},{start + 1}" for start in (0, 0.5, 1.3, 2)]))
    assert measured(AudioDuration(exact=True), table) == pytest.approx([1, 1, 1, 1], abs=0.001)


def test_copies_have_names_with_their_part_and_the_extension_of_their_format(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(with_sound("matroska"))
    paths = [f"{tmp_path}/a.mkv", f"{tmp_path}/a.mkv#t=0,1", f"{tmp_path}/a.mkv#t=1,2.5", with_sound()]
    found = ExtractAudio(format="copy").apply(batch(paths)).column("audio").to_pylist()
    assert [value["path"] for value in found] == ["a.m4a", "a-0-1000.m4a", "a-1000-2500.m4a", None]


def test_a_video_without_audio_fails_unless_it_is_optional() -> None:
    rows = batch([video(moving(5)), with_sound(), None])
    assert [value is None for value in ExtractAudio().apply(rows).column("audio").to_pylist()] == [True, False, True]
    assert {at: plain(why).partition(":")[0] for at, why in rows.failures.items()} == {0: "noAudio", 2: "noMedia"}
    rows = batch([video(moving(5)), with_sound()])
    found = ExtractAudio(optional=True).apply(rows).column("audio").to_pylist()
    assert ([value is None for value in found], dict(rows.failures)) == ([True, False], {})
