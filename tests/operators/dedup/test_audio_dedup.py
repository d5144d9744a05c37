"""audioDedup: which recordings are duplicates, and which of them are kept."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from pydantic import ValidationError

from datajob.engine.dedup.signatures import Signatures
from datajob.engine.exchange.row_ids import JOB_ROWS
from datajob.engine.plan.steps import Step
from datajob.media.audio_types import Form
from datajob.operators.base import Batch
from datajob.operators.dedup._fingerprints import FingerprintMeter, key_frames, similarity
from datajob.operators.dedup.audio_dedup import AudioDedup
from datajob.operators.media.effects import Conversion
from tests.support.local_jobs import make_job, read_manifest, run, write_parts
from tests.support.sounds import Samples, batch, file, noise, silence, sine

SPEECH = Path(__file__).parents[3] / "manifests" / "samples" / "data" / "speech"
RATE = 16_000


@cache
def originals() -> tuple[Samples, ...]:
    """Parts of recordings of speech, and a melody."""
    spoken, german = (
        soundfile.read(SPEECH / f"{name}.ogg", dtype="float32", always_2d=True)[0] for name in ("harvard-1", "hund")
    )
    notes = np.random.default_rng(3).integers(0, 24, 24)
    melody = np.concatenate(
        [sum(sine(220 * 2 ** (note / 12) * k, 0.25, level=-20 - 2 * k) for k in range(1, 9)) for note in notes]
    )
    return spoken[: 6 * RATE], spoken[7 * RATE : 13 * RATE], german, melody.astype(np.float32)


def resampled(samples: Samples, rate: int) -> Samples:
    conversion = Conversion(Form(RATE, 1), Form(rate, 1), "HQ")
    empty = np.zeros((0, 1), np.float32)
    return np.concatenate([conversion.process(samples, last=False), conversion.process(empty, last=True)])


CHANGES: dict[str, Any] = {
    "mp3": lambda samples: file(samples, "mp3"),
    "ogg": lambda samples: file(samples, "ogg"),
    "8 kHz A-law": lambda samples: file(resampled(samples, 8000), rate=8000, subtype="ALAW"),
    "44.1 kHz stereo": lambda samples: file(np.repeat(resampled(samples, 44_100), 2, axis=1), "flac", 44_100),
    "quiet": lambda samples: file(samples * 0.2, "flac"),
    "later": lambda samples: file(np.concatenate([silence(0.31), samples])),
    "trimmed": lambda samples: file(samples[round(0.423 * RATE) :]),
    "noisy": lambda samples: file(samples + noise(len(samples) / RATE, level=-20 + 20 * np.log10(samples.std()))),
}


def job(tmp_path: Path, rows: list[dict[str, Any]], step: dict[str, Any], parts: int = 3) -> list[Any]:
    """The ids of the rows that are left."""
    write_parts(tmp_path / "in", rows, parts)
    run(make_job(tmp_path / "in", tmp_path / "out", [{"audioDedup": step}]), shard_bytes=100_000)
    return [row["id"] for row in read_manifest(tmp_path / "out")]


def test_changed_recordings_are_found_in_other_files_and_others_are_kept(tmp_path: Path) -> None:
    rows = [{"id": f"{i}", "audio": file(samples)} for i, samples in enumerate(originals())]
    rows += [{"id": f"{i} {name}", "audio": make(one)} for name, make in CHANGES.items() for i, one in enumerate(originals())]
    assert job(tmp_path, rows, {"method": "fingerprint"}, parts=5) == [f"{i}" for i in range(len(originals()))]


def test_equal_samples_are_found_in_any_format_without_loss(tmp_path: Path) -> None:
    some, other = (np.round(samples * 32767) / 32768 for samples in originals()[:2])
    files = [file(some), file(some, "flac"), file(some * 0.5), file(other), file(some, rate=8000), file(some, "mp3")]
    files += [file(np.repeat(some, 2, axis=1)), file(some, "flac"), file(some[:-1]), file(other, "flac")]
    assert job(tmp_path, [{"id": i, "audio": data} for i, data in enumerate(files)], {}) == [0, 2, 3, 4, 5, 6, 8]


LENGTHS = [5.0, 5.4, 6.0, 4.2]
"""Seconds of parts of a recording: each is similar to the third, except for the last."""


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        ({}, [0, 2]),
        ({"keep": "longest"}, [2, 3]),
        ({"keep": "best", "by": "score"}, [1, 3]),
        ({"similarity": 1}, [0, 1, 2, 3]),
    ],
)
def test_the_preference_decides_what_is_kept(step: dict[str, Any], kept: list[int], tmp_path: Path) -> None:
    lengths = LENGTHS if step else [5.0, 5.4, 6.6, 4.2]
    whole = np.concatenate(originals()[:2])
    rows = [
        {"id": i, "audio": file(whole[: round(seconds * RATE)]), "score": [1, 7, None, 2][i]}
        for i, seconds in enumerate(lengths)
    ]
    assert job(tmp_path, rows, {"method": "fingerprint", **step}) == kept


@pytest.mark.parametrize("method", ["samples", "fingerprint"])
@pytest.mark.parametrize("step", [{}, {"keep": "longest"}, {"keep": "best", "by": "score"}])
def test_an_existing_corpus_is_preferred(method: str, step: dict[str, Any], tmp_path: Path) -> None:
    write_parts(tmp_path / "old", [{"audio": file(originals()[1]), "score": 1.0}], 1)
    rows = [{"id": i, "audio": file(samples), "score": 2.0} for i, samples in enumerate(originals()[:3])]
    assert job(tmp_path, rows, {"method": method, "against": str(tmp_path / "old"), **step}) == [0, 2]


@pytest.mark.parametrize("method", ["samples", "fingerprint"])
def test_recordings_that_cannot_be_decoded_fail_alone(method: str, tmp_path: Path) -> None:
    good = file(originals()[0], "flac")
    values = [good, b"", None, b"text", good[: len(good) // 2], good]
    write_parts(tmp_path / "in", [{"id": i, "audio": value} for i, value in enumerate(values)], 1)
    job = make_job(tmp_path / "in", tmp_path / "out", [{"audioDedup": {"method": method}}], errors={"policy": "drop"})
    report = run(job)
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == [0]
    assert (report.progress.rows_in, report.progress.rows_out, report.progress.rows_failed) == (6, 1, 4)


def test_recordings_without_a_fingerprint_are_kept(tmp_path: Path) -> None:
    rows = [{"id": i, "audio": file(samples)} for i, samples in enumerate([silence(5), originals()[0][:RATE]] * 2)]
    assert job(tmp_path, rows, {"method": "fingerprint"}) == [0, 1, 2, 3]


def fingerprint(samples: Samples, block: int = 1 << 16) -> Any:
    meter = FingerprintMeter(Form(RATE, 1))
    for start in range(0, len(samples), block):
        meter.add(samples[start : start + block])
    return meter.value()


def test_a_fingerprint_does_not_depend_on_blocks() -> None:
    samples = originals()[0]
    whole = fingerprint(samples)
    assert 6 * 5512 // 256 - 13 <= len(whole.frames) <= 6 * 5512 // 256 and len(key_frames(whole)) == 32
    for block in (1000, 77):
        frames = fingerprint(samples, block).frames
        assert len(frames) == len(whole.frames) and similarity(frames, whole.frames, 0) > 0.999


@pytest.mark.parametrize("shift", [0, 1, 7, -7, 200, -200])
def test_the_similarity_counts_bits_that_only_one_recording_has(shift: int) -> None:
    frames = np.random.default_rng(1).integers(0, 1 << 32, 100, dtype=np.uint32)
    other = frames[shift:] if shift >= 0 else np.concatenate([np.full(-shift, 5, np.uint32), frames])
    expected = max(0, 100 - shift) / 100 if shift >= 0 else 100 / (100 - shift)
    if len(other) > 0:
        assert similarity(frames, other, shift) == pytest.approx(expected)
    assert similarity(frames, frames, 100) < 0.01


def test_lists_are_refused() -> None:
    table = pa.table({"audio": pa.array([[file(noise())]], pa.list_(pa.binary()))})
    with pytest.raises(Exception, match="`audioDedup` processes one audio per row"):
        AudioDedup().signatures(Batch(table))


@pytest.mark.parametrize(
    ("step", "message"),
    [({"keep": "best"}, "`by` is the column"), ({"by": "score"}, "`by` is the column"), ({"similarity": 0.6}, "0.75")],
)
def test_parameters_that_contradict_each_other_are_refused(step: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AudioDedup.model_validate(step)


@pytest.mark.parametrize("method", ["samples", "fingerprint"])
def test_signatures_of_a_few_rows_at_a_time_are_those_of_all(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [file(noise(4, seed=seed)) if seed % 4 else b"bad" for seed in range(10)]
    signatures = Signatures(Step("audioDedup", AudioDedup(method=method)), 1, JOB_ROWS, skips_failed=False)
    whole, parts = batch(values), batch(values)
    expected = signatures._signatures(whole)
    monkeypatch.setattr(AudioDedup, "rows_at_a_time", 3)
    assert signatures._signatures(parts).equals(expected) and parts.failures == whole.failures and len(whole.failures) == 3
