"""Adjacent steps on audio: one decode, decisions step by step, lists, and files that change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datajob.media import audio_stream
from datajob.operators.audio.audio_duration import AudioDuration
from datajob.operators.audio.clipping import Clipping
from datajob.operators.audio.loudness import Loudness
from datajob.operators.audio.normalize_loudness import NormalizeLoudness
from datajob.operators.audio.resample_audio import ResampleAudio
from datajob.operators.audio.silence_ratio import SilenceRatio
from datajob.operators.audio.vad_segment import VadSegment
from datajob.operators.base import Batch
from datajob.operators.image.image_size import ImageSize
from datajob.operators.media.audio_rows import AudioWork
from datajob.operators.media.rows import Changed, Measured
from datajob.operators.media.sections import Section, sections
from tests.support.local_jobs import make_job, read_manifest, run
from tests.support.sounds import batch, decoded, file, measure, noise, silence, sine

EACH = (Loudness(), SilenceRatio(), Clipping())
SPEECH = Path(__file__).parents[3] / "manifests" / "samples" / "data" / "speech" / "harvard-1.ogg"
STEPS = ("audioDuration", "loudness", "clipping", "resampleAudio")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The files that are decoded in this process."""
    found: list[Any] = []
    original = audio_stream._open_soundfile

    def counting(file: Any, *arguments: Any) -> Any:
        found.append(file)
        return original(file, *arguments)

    monkeypatch.setattr(audio_stream, "_open_soundfile", counting)
    return found


def here(steps: tuple[Any, ...], *values: bytes) -> Any:
    """The results of a row, in this process."""
    work = AudioWork(steps, lists=False)
    [item] = work.inputs([tuple(batch_values(values))], None)
    return work(item)  # type: ignore[arg-type]


def batch_values(values: tuple[bytes, ...]) -> list[Any]:
    from datajob.media.values import media_values

    return list(media_values(pa.array(values, pa.binary())))


@pytest.mark.parametrize(("shape", "decodes"), [(None, 1), ("flac", 2)])
def test_segments_share_the_decode_of_measures(shape: Any, decodes: int, opened: list[Any]) -> None:
    results = here((*EACH, VadSegment(format=shape)), SPEECH.read_bytes())
    assert len(opened) == decodes and len(results[3].values[0]) == 2


def test_segments_end_a_section_and_do_not_follow_changes_in_one() -> None:
    steps = [Loudness(), VadSegment(), Loudness(), ResampleAudio(), VadSegment()]
    assert sections(steps) == [(0, 2), (2, 4), (4, 5)]


def test_measures_and_conversion_share_one_decode(opened: list[Any]) -> None:
    results = here((*EACH, ResampleAudio(rate=8000)), file(noise(3)))
    assert len(opened) == 1
    assert [type(result) for result in results[:3]] == [Measured] * 3
    assert isinstance(results[-1], Changed) and decoded(results[-1].files[0])[1] == 8000  # type: ignore[index]


def test_a_map_that_measures_first_decodes_once_more(opened: list[Any]) -> None:
    steps = (Loudness(), NormalizeLoudness(target=-30), Loudness(min=-30.2, max=-29.8), ResampleAudio(rate=8000), Clipping())
    results = here(steps, file(noise(3)))
    assert len(opened) == 2
    assert results[2].code == 0 and results[2].values[0][0] == pytest.approx(-30, abs=0.05)
    assert decoded(results[-1].files[0])[1] == 8000


def test_steps_measure_the_same_alone_and_together() -> None:
    files = [
        file(np.concatenate([noise(2, level=-20 - 3 * i), silence(1)]), kind) for i, kind in enumerate(("wav", "mp3", "m4a"))
    ]
    rows = batch(files)
    found = Section(EACH, decides=False).run(rows)
    for number, step in enumerate(EACH):
        assert found.measures(number)[step.measured()[0]].tolist() == measure(step, *files)


def test_headers_are_read_before_anything_is_decoded() -> None:
    steps = [AudioDuration(), AudioDuration(column="other"), Loudness(), AudioDuration(), ImageSize(column="audio")]
    assert sections(steps) == [(0, 1), (1, 2), (2, 4), (4, 5)]


def test_every_step_counts_what_it_rejects_or_fails(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    short, quiet, good = noise(0.5), noise(3, level=-60), noise(3)
    files = {"short": short, "quiet": quiet, "good": good, "loud": np.clip(noise(3, level=3), -1, 1)}
    for name, samples in files.items():
        (folder / f"{name}.flac").write_bytes(file(samples, "flac"))
    (folder / "text.mp3").write_text("not audio at all")
    (folder / "cut.flac").write_bytes(file(noise(30), "flac")[:300_000])
    steps = [{"audioDuration": {}}, {"loudness": {"output": "lufs"}}, {"clipping": {}}, {"resampleAudio": {"rate": 8000}}]
    for load in ("bytes", "reference"):
        out = tmp_path / load
        sources = [{"audio": {"paths": [str(folder)], "load": load}}]
        report = run(make_job(folder, out, steps, sources=sources, errors={"policy": "drop"}))
        found = {step.name: (dict(step.rejected), step.failed) for step in report.steps if step.name in STEPS}
        assert found == {
            "audioDuration": ({"duration_too_low": 1}, 0),
            "loudness": ({"loudness_too_low": 1, "loudness_too_high": 1}, 1),
            "clipping": ({}, 0),
            "resampleAudio": ({}, 0),
        }
        assert report.progress.rows_failed == 2 and report.progress.rows_out == 1
        [row] = read_manifest(out)
        assert (row["sampleRate"], row["codec"], row["audio"]["path"]) == (16_000, "flac", "good.wav")
        assert decoded(row["audio"]["bytes"])[0].shape == (24_000, 1)


@pytest.mark.parametrize(("keep", "kept", "items"), [("any", True, 3), ("all", False, 3), ("each", True, 2)])
def test_lists(keep: Any, kept: bool, items: int) -> None:
    good, bad = file(noise(2)), file(silence(2))
    rows = Batch(pa.table({"audio": pa.array([[good, bad, good]], pa.list_(pa.binary()))}))
    found = Section((SilenceRatio(keep_if=keep),)).run(rows)
    assert (found.verdict(0, rows).codes.tolist() == [0]) is kept
    if kept:
        assert len(found.changed(rows.table).column("audio").to_pylist()[0]) == items


def test_a_list_is_converted_item_by_item() -> None:
    column = pa.array([[file(sine()), None, file(sine(), "mp3")], None, []], pa.list_(pa.binary()))
    found = ResampleAudio(rate=8000).apply(Batch(pa.table({"audio": column}))).column("audio").to_pylist()
    assert [value and decoded(value)[1] for value in found[0]] == [8000, None, 8000]
    assert found[1:] == [None, []]
