"""audioLanguage decides by the language that a Whisper model detects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from datajob.engine.driver import run_job
from datajob.engine.options import RunOptions
from datajob.engine.plan.analysis import Analysis, analysis_job
from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.inference.audio_language import AudioLanguage
from tests.operators.inference.conftest import Ask
from tests.support.local_jobs import make_job, read_manifest, run
from tests.support.models.speech import make_whisper, spoken_language

SPEECH = Path(__file__).parents[3] / "manifests" / "samples" / "data" / "speech"
NAMES = ("harvard-1", "harvard-2", "hund", "noisy")


def path(name: str) -> str:
    return str(SPEECH / f"{name}.ogg")


def detected(model: Path, name: str) -> tuple[str, float]:
    return spoken_language(model, soundfile.read(path(name), dtype="float32")[0])


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Rows with recordings, one that is silent, and one that is missing."""
    (tmp_path / "in").mkdir()
    paths = [path(name) for name in (*NAMES, "silence")]
    pq.write_table(pa.table({"audio": [*paths, "missing.ogg"], "id": range(6)}), tmp_path / "in" / "a.parquet")
    return tmp_path / "in"


def test_languages_and_probabilities_are_those_of_transformers(whisper: Path, ask: Ask) -> None:
    found, failed = ask(AudioLanguage(model=str(whisper)), [{"audio": path(name)} for name in NAMES])
    assert not failed
    for name, row in zip(NAMES, found, strict=True):
        language, probability = detected(whisper, name)
        assert row == {"language": language, "language_score": pytest.approx(probability, abs=1e-4)}


def test_a_job_keeps_languages_and_certain_rows(whisper: Path, recordings: Path, tmp_path: Path) -> None:
    found = {name: detected(whisper, name) for name in NAMES}
    limit = sorted(score for _, score in found.values())[1] - 0.001
    languages = sorted({language for language, _ in found.values()})
    step: dict[str, Any] = {"model": str(whisper), "languages": languages, "min": limit, "scoreOutput": None}
    report = run(make_job(recordings, tmp_path / "out", [{"audioLanguage": step}], errors={"policy": "drop", "maxRatio": 1}))
    rows = read_manifest(tmp_path / "out")
    assert [row["id"] for row in rows] == [at for at, name in enumerate(NAMES) if found[name][1] >= limit]
    assert set(rows[0]) == {"audio", "id", "language"}
    assert report.steps[1].rejected == {"language_uncertain": 1, "other_language": 1}
    assert report.steps[1].failed == 1


@pytest.mark.parametrize(("keep", "codes"), [("any", [0, 2, 0, 0, 0]), ("all", [2, 2, 0, 0, 0])])
def test_a_list_is_kept_if_any_or_all_items_are_within_the_limits(keep: str, codes: list[int], whisper: Path, ask: Ask) -> None:
    scores = {name: detected(whisper, name)[1] for name in NAMES}
    low, *_, high = sorted(NAMES, key=scores.__getitem__)
    limit = (scores[low] + scores[high]) / 2
    step = AudioLanguage.model_validate({"model": str(whisper), "min": limit, "keep": keep})
    rows = [[path(high), None, path(low)], [path(low)], [], None, [None]]
    table = pa.table({"audio": pa.array(rows, pa.list_(pa.string()))})
    found, failed = ask(step, table)
    expected = [scores[high], None, scores[low]]
    assert [row["language_score"] and len(row["language_score"]) for row in found] == [3, 1, [], None, 1]
    assert found[0]["language_score"] == [score and pytest.approx(score, abs=1e-4) for score in expected] and not failed
    for name in found[0]:
        table = table.append_column(name, pa.array([row[name] for row in found]))
    assert step.keep(Batch(table)).codes.tolist() == codes
    assert step.measures(Batch(table))["score"][0] == pytest.approx(scores[high], abs=1e-4)


def test_an_analysis_measures_probabilities_and_suggests_a_limit(whisper: Path, recordings: Path, tmp_path: Path) -> None:
    job = make_job(recordings, tmp_path / "out", [{"audioLanguage": {"model": str(whisper)}}])
    report = run_job(analysis_job(job, Analysis(), str(tmp_path / "found")), RunOptions(executor="local"))
    [measure] = report.measures
    assert (measure.name, measure.rows, measure.missing) == ("score", 5, 1)
    assert measure.thresholds[0].limit == 0.8 and measure.thresholds[0].suggested is not None


def test_languages_that_a_model_does_not_have_are_refused(whisper: Path, tmp_path: Path, ask: Ask) -> None:
    with pytest.raises(InvalidJob, match=r"has no language `es`. Its languages are de, en, fr, zh"):
        ask(AudioLanguage(model=str(whisper), languages=("en", "es")), [{"audio": path("hund")}])
    english = make_whisper(tmp_path / "english", multilingual=False)
    with pytest.raises(InvalidJob, match="only recognizes English"):
        ask(AudioLanguage(model=str(english)), [{"audio": path("hund")}])
