"""wordErrorRate: errors per word of the reference, as jiwer counts them."""

from __future__ import annotations

from typing import Any

import jiwer
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InputError
from datajob.operators.audio.word_error_rate import WordErrorRate
from datajob.operators.base import Batch

WORDS = st.lists(st.sampled_from(["the", "birch", "canoe", "slid", "on", "smooth", "planks", "a", "语音", "é"]), max_size=12)


def rows(*pairs: tuple[Any, Any]) -> Batch:
    transcripts, texts = zip(*pairs, strict=True)
    return Batch(pa.table({"transcript": pa.array(transcripts, pa.string()), "text": pa.array(texts, pa.string())}))


def rates(step: WordErrorRate, *pairs: tuple[Any, Any]) -> list[float]:
    return step.measures(rows(*pairs))["word_error_rate"].tolist()


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(WORDS, WORDS.filter(bool)), min_size=1, max_size=4))
def test_rates_are_those_of_jiwer(pairs: list[tuple[list[str], list[str]]]) -> None:
    texts = [(" ".join(found), " ".join(correct)) for found, correct in pairs]
    expected = [jiwer.wer(correct, found) for found, correct in texts]
    assert rates(WordErrorRate(normalize=False), *texts) == pytest.approx(expected)
    expected = [jiwer.cer(correct.replace(" ", ""), found.replace(" ", "")) for found, correct in texts]
    assert rates(WordErrorRate(normalize=False, unit="characters"), *texts) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("found", "correct", "words", "characters"),
    [
        ("The birch canoe.", "the birch canoe", 0, 0),
        ("DON’T  stop!", "don't stop", 0, 0),
        ("'quoted' rock'n'roll", "quoted rock'n'roll", 0, 0),
        ("ｆｕｌｌ－ｗｉｄｔｈ", "full width", 0, 0),
        ("cafe\u0301", "caf\u00e9", 0, 0),
        ("می\u200cخواهم", "میخواهم", 0, 0),
        ("the the birch", "the birch", 0.5, 3 / 8),
        ("今天天气很好", "今天天气不好", 1, 1 / 6),
        ("", "three words missing", 1, 1),
        ("four words too many", "", 4, 16),
        ("...", "", 0, 0),
        ("3", "three", 1, 1),
    ],
)
def test_texts_are_normalized(found: str, correct: str, words: float, characters: float) -> None:
    assert rates(WordErrorRate(), (found, correct)) == [pytest.approx(words)]
    assert rates(WordErrorRate(unit="characters"), (found, correct)) == [pytest.approx(characters)]


def test_without_normalization_case_and_punctuation_count() -> None:
    assert rates(WordErrorRate(normalize=False), ("The birch.", "the birch")) == [1]


def test_rows_are_decided_and_rows_without_a_text_fail() -> None:
    batch = rows(("one two", "one two"), ("one", "one two"), (None, "one"), ("one", None), ("", ""))
    verdict = WordErrorRate(max=0.4, output="wer").keep(batch)
    assert verdict.codes.tolist()[:2] == [0, 2] and verdict.codes[4] == 0
    assert verdict.reasons[1] == "word_error_rate_too_high"
    assert {row: why.partition(":")[0] for row, why in batch.failures.items()} == {2: "noTranscript", 3: "noReference"}
    assert verdict.columns["wer"].to_pylist()[:2] == [0, 0.5]


def test_a_long_transcript_is_compared() -> None:
    words = [f"w{i % 977}" for i in range(4000)]
    assert rates(WordErrorRate(), (" ".join(words[:-40]), " ".join(words))) == [pytest.approx(0.01)]


def test_columns_that_are_not_text_are_refused() -> None:
    batch = Batch(pa.table({"transcript": ["one"], "text": [1]}))
    with pytest.raises(InputError, match="text"):
        WordErrorRate().keep(batch)
