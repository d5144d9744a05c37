"""transcribe writes the texts of transformers, for audio of any length; what all steps with a speech model share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from datajob.errors import InputError, InvalidJob, plain
from datajob.media.values import media_type
from datajob.operators.inference.audio_language import AudioLanguage
from datajob.operators.inference.transcribe import Transcribe
from tests.operators.inference.conftest import Ask
from tests.support.local_jobs import make_job, read_manifest, run
from tests.support.models.fixtures import needs_torch
from tests.support.models.speech import make_whisper, spoken_language, transcribed, word_times
from tests.support.sounds import file, noise, silence

SPEECH = Path(__file__).parents[3] / "manifests" / "samples" / "data" / "speech"
NAMES = ("harvard-1", "harvard-2", "hund", "noisy")


def path(name: str) -> str:
    return str(SPEECH / f"{name}.ogg")


def spoken(name: str) -> np.ndarray[Any, Any]:
    return soundfile.read(path(name), dtype="float32")[0]


def expected(model: Path, samples: np.ndarray[Any, Any], **how: Any) -> str:
    how.setdefault("language", spoken_language(model, samples)[0])
    return transcribed(model, samples, task="transcribe", **how).strip()


def test_texts_are_those_of_transformers(whisper: Path, ask: Ask) -> None:
    step = Transcribe(model=str(whisper), language_column="language", no_speech_column="silence")
    found, failed = ask(step, [{"audio": path(name)} for name in NAMES])
    assert not failed
    assert [row["transcript"] for row in found] == [expected(whisper, spoken(name)) for name in NAMES]
    assert [row["language"] for row in found] == [spoken_language(whisper, spoken(name))[0] for name in NAMES]
    assert all(0 < row["silence"] < 1 for row in found) and len({row["transcript"] for row in found}) == len(NAMES)


@pytest.mark.parametrize("how", [{"language": "de"}, {"beams": 3, "language": "fr"}, {"translate": True, "language": "zh"}])
def test_parameters_are_those_of_transformers(how: dict[str, Any], whisper: Path, ask: Ask) -> None:
    [row], _ = ask(Transcribe(model=str(whisper), **how), [{"audio": path("hund")}])
    task = "translate" if how.get("translate") else "transcribe"
    reference = transcribed(whisper, spoken("hund"), task=task, language=how["language"], num_beams=how.get("beams", 1))
    assert row["transcript"] == reference.strip()


def test_times_of_words_are_those_of_transformers(whisper: Path, ask: Ask) -> None:
    step = Transcribe(model=str(whisper), language="de", words_column="words")
    [one, two], _ = ask(step, [{"audio": path("hund")}, {"audio": path("harvard-2")}])
    for row, name in ((one, "hund"), (two, "harvard-2")):
        reference = word_times(whisper, spoken(name), language="de", task="transcribe")
        assert [word["word"] for word in row["words"]] == [word.strip() for word, _ in reference]
        for word, (_, (start, end)) in zip(row["words"], reference, strict=True):
            assert (word["start"], word["end"]) == (pytest.approx(start, abs=0.05), pytest.approx(end, abs=0.05))
        assert "".join(word["word"] for word in row["words"]).replace(" ", "") == row["transcript"].replace(" ", "")


def test_long_audio_is_processed_in_windows(short_whisper: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datajob.operators.inference._speech_model.FIRST_SECONDS", 8.0)
    monkeypatch.setattr("datajob.operators.inference._speech_model.GROUP_SECONDS", 10.0)
    long = np.concatenate([spoken("harvard-1"), np.zeros(8 * 16_000, np.float32), spoken("harvard-2"), spoken("hund")])
    data = file(long[:, None], "flac")
    step = Transcribe(model=str(short_whisper), words_column="words", language_column="language", language="en")
    rows = pa.table({"audio": pa.array([data, data[:200], None], pa.binary())})
    [row, *_], failed = ask(step, rows)
    assert {at: plain(why).partition(":")[0] for at, why in failed.items()} == {1: "truncated", 2: "noMedia"}
    starts = [word["start"] for word in row["words"]]
    assert starts == sorted(starts) and starts[-1] > 24
    assert not [start for start in starts if 14.5 < start < 20.5], "windows without speech are skipped"
    assert row["transcript"].count(" ") > 20
    [again], _ = ask(Transcribe(model=str(short_whisper), language="en", skip_silence=False), [{"audio": data}])
    assert len(again["transcript"]) > len(row["transcript"])


def test_samples_are_released_when_they_were_sent(short_whisper: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datajob.operators.inference._speech_model.FIRST_SECONDS", 8.0)
    monkeypatch.setattr("datajob.operators.inference._speech_model.GROUP_SECONDS", 10.0)
    found: list[Any] = []
    finished = Transcribe._recognized
    monkeypatch.setattr(Transcribe, "_recognized", lambda *call: found.extend(finished(*call)) or found)
    [row], _ = ask(Transcribe(model=str(short_whisper), language="en"), [{"audio": path("harvard-1")}])
    assert row["transcript"] and len(found[0].heard) > 1 and found[0].windows == []


def test_the_language_is_that_of_the_first_window_with_speech(short_whisper: Path, ask: Ask) -> None:
    data = file(np.concatenate([noise(5, level=-70), spoken("harvard-1")[:, None]]), "wav")
    [row], _ = ask(Transcribe(model=str(short_whisper), language_column="language"), [{"audio": data}])
    [same], _ = ask(Transcribe(model=str(short_whisper), language=row["language"]), [{"audio": data}])
    assert row["transcript"] == same["transcript"]


def test_clips_bytes_structs_and_other_forms_are_audio(whisper: Path, ask: Ask) -> None:
    clip = spoken("hund")[16_000:48_000]
    reference = expected(whisper, clip)
    data = Path(path("hund")).read_bytes()
    values = [{"bytes": None, "path": f"{path('hund')}#t=1,3"}, {"bytes": data, "path": "a.ogg#t=1,3"}]
    step = Transcribe(model=str(whisper))
    found, failed = ask(step, pa.table({"audio": pa.array(values, media_type())}))
    assert [row["transcript"] for row in found] == [reference] * 2 and not failed
    wav = file(np.repeat(clip[:, None], 2, axis=1), "wav", subtype="FLOAT")
    [row], _ = ask(step, [{"audio": wav}])
    assert row["transcript"] == reference


def test_audio_without_speech_has_an_empty_text_and_no_samples_is_an_error(whisper: Path, ask: Ask) -> None:
    step = Transcribe(model=str(whisper), language_column="language", words_column="words", no_speech_column="silence")
    found, failed = ask(step, [{"audio": file(silence(2))}, {"audio": file(noise(2))}, {"audio": b"text"}])
    assert found[:2] == [{"transcript": "", "language": None, "words": [], "silence": 1.0}] * 2
    assert {row: plain(why).partition(":")[0] for row, why in failed.items()} == {2: "notAudio"}


def test_a_job_transcribes_and_its_rows_can_be_compared(whisper: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    (tmp_path / "in").mkdir()
    texts = [expected(whisper, spoken(name)) for name in NAMES]
    rows = {"audio_filepath": [path(name) for name in NAMES] + ["missing.ogg"], "text": [*texts[:-1], "other words", "none"]}
    pq.write_table(pa.table(rows), tmp_path / "in" / "a.parquet")
    steps = [
        {"transcribe": {"model": str(whisper), "column": "audio_filepath"}},
        {"wordErrorRate": {"output": "wer", "max": 0.1}},
    ]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps, errors={"policy": "drop", "maxRatio": 1}))
    assert [(row["transcript"], row["wer"]) for row in read_manifest(tmp_path / "out")] == [(text, 0) for text in texts[:-1]]
    assert report.progress.rows_failed == 1
    assert report.steps[2].rejected == {"word_error_rate_too_high": 1}


def test_models_and_languages_that_do_not_fit_are_refused(whisper: Path, clip: Path, tmp_path: Path, ask: Ask) -> None:
    needs_torch()
    with pytest.raises(InvalidJob, match="is a clip model, but this step needs a Whisper model"):
        ask(Transcribe(model=str(clip)), [{"audio": path("hund")}])
    with pytest.raises(InvalidJob, match=r"has no language `xx`. Its languages are de, en, fr, zh"):
        ask(Transcribe(model=str(whisper), language="xx"), [{"audio": path("hund")}])
    unaligned = make_whisper(tmp_path / "unaligned", aligned=False)
    with pytest.raises(InvalidJob, match="has no times of words"):
        ask(Transcribe(model=str(unaligned), words_column="words"), [{"audio": path("hund")}])
    english = make_whisper(tmp_path / "english", multilingual=False)
    [row], _ = ask(Transcribe(model=str(english), language_column="language"), [{"audio": path("hund")}])
    assert row == {"transcript": transcribed(english, spoken("hund")).strip(), "language": "en"}
    with pytest.raises(InvalidJob, match="only transcribes English"):
        ask(Transcribe(model=str(english), language="de"), [{"audio": path("hund")}])
    for values in ([1], [[1]], [[[b""]]]):
        with pytest.raises(InputError, match="needs audio or lists of audio"):
            ask(Transcribe(model=str(whisper)), pa.table({"audio": values}))


def test_the_items_of_lists_are_transcribed_and_nulls_have_no_text(whisper: Path, ask: Ask) -> None:
    step = Transcribe(model=str(whisper), words_column="words")
    rows = [[path("hund"), None, path("harvard-2")], [], None, [None], [path("hund"), "missing.ogg"]]
    found, failed = ask(step, pa.table({"audio": pa.array(rows, pa.list_(pa.string()))}))
    texts = {name: expected(whisper, spoken(name)) for name in ("hund", "harvard-2")}
    assert [row["transcript"] for row in found[:4]] == [[texts["hund"], None, texts["harvard-2"]], [], None, [None]]
    assert [None if words is None else len(words) > 2 for words in found[0]["words"]] == [True, None, True]
    assert {row: plain(why).partition(":")[0] for row, why in failed.items()} == {4: "notFound"}


@pytest.mark.parametrize("kind", [pa.null(), pa.binary(), pa.string(), media_type()])
def test_rows_without_audio_fail_and_lists_without_audio_have_no_texts(kind: pa.DataType, whisper: Path, ask: Ask) -> None:
    for step in (Transcribe(model=str(whisper)), AudioLanguage(model=str(whisper), output="transcript", score_output=None)):
        _, failed = ask(step, pa.table({"audio": pa.nulls(2, kind)}))
        assert [plain(failed[row]).partition(":")[0] for row in range(2)] == ["noMedia"] * 2
        found, failed = ask(step, pa.table({"audio": pa.array([[None, None], [], None], pa.list_(kind))}))
        assert [row["transcript"] for row in found] == [[None, None], [], None] and not failed


def test_answers_of_an_earlier_attempt_are_reused(whisper: Path) -> None:
    from datajob.operators.base import Batch, Device

    class Cache:
        def __init__(self, known: dict[str, Any]) -> None:
            self.known = known

        def store(self, found: dict[str, Any]) -> None:
            stored.update(found)

    stored: dict[str, Any] = {}
    step = Transcribe(model=str(whisper), words_column="words")
    engine = step.setup(Device("cpu", 1))
    batch = Batch(pa.table({"audio": [path("hund"), path("harvard-2"), path("silence")]}))
    first = step.infer(batch, engine, Cache({}))
    assert (first.reused, len(stored)) == (0, 2)
    kept = pa.Table.from_pylist([{"key": key, **value} for key, value in stored.items()]).to_pylist()
    again = step.infer(batch, engine, Cache({row.pop("key"): row for row in kept}))
    assert again.reused == 2 and again.columns == first.columns
