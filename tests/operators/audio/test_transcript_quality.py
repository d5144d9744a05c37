"""transcriptQuality: repetitions, texts for silence, and impossible rates are rejected."""

from __future__ import annotations

import zlib
from typing import Any

import pyarrow as pa
import pytest

from datajob.errors import InputError
from datajob.operators.audio.transcript_quality import TranscriptQuality
from datajob.operators.base import Batch

GOOD = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."
CHINESE = "今天天气很好，我们去公园散步吧。"


def rows(*texts: str | None, **columns: list[Any]) -> Batch:
    return Batch(pa.table({"transcript": pa.array(texts, pa.string()), **{k: pa.array(v) for k, v in columns.items()}}))


def reasons(step: TranscriptQuality, batch: Batch) -> list[str | None]:
    verdict = step.keep(batch)
    decided = [None if code == 0 else verdict.reasons[code - 1] for code in verdict.codes.tolist()]
    return ["failed" if row in batch.failures else reason for row, reason in enumerate(decided)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD, None),
        (CHINESE, None),
        ("Ja.", None),
        ("", "characters_too_low"),
        (" ... ! ", "characters_too_low"),
        ("thank you " * 8, "unique_words_too_low"),
        ("Okay. okay, OKAY okay", "unique_words_too_low"),
        ("好" * 10, "unique_words_too_low"),
        ("a" * 36, "word_length_too_high"),
        (f"{GOOD} " * 8, "unique_words_too_low"),
        ("Thanks for watching!", "phrase"),
        (None, "failed"),
    ],
)
def test_texts_are_kept_or_rejected_with_a_reason(text: str | None, reason: str | None) -> None:
    step = TranscriptQuality(phrases=("thanks for watching",))
    assert reasons(step, rows(text)) == [reason]
    assert reasons(step, rows(GOOD, text)) == [None, reason]


def test_repeated_sentences_are_found_by_compression() -> None:
    assert reasons(TranscriptQuality(min_unique_words=0), rows(f"{GOOD} " * 8, GOOD)) == ["compression_too_high", None]


def test_a_loop_in_a_long_transcript_is_found_but_its_length_is_not_a_fault() -> None:
    words = [f"word{(i * 7919) % 61}" for i in range(600)]
    step = TranscriptQuality(max_compression=100)
    assert reasons(step, rows(" ".join(words))) == [None], "60 distinct words in 600"
    looped = [*words[:300], *["so"] * 60, *words[300:]]
    assert reasons(step, rows(" ".join(looped))) == ["unique_words_too_low"]


def test_characters_per_second_and_no_speech_need_their_columns() -> None:
    batch = rows(GOOD, GOOD, GOOD, GOOD, seconds=[5.0, 1.0, 500.0, 5.0], silence=[0.1, 0.1, 0.1, 0.9])
    step = TranscriptQuality(duration="seconds", no_speech="silence", min_characters_per_second=1)
    assert reasons(step, batch) == [
        None, "characters_per_second_too_high", "characters_per_second_too_low", "no_speech_too_high",
    ]  # fmt: skip
    assert {bound.measure for bound in step.bounds()} - {bound.measure for bound in TranscriptQuality().bounds()} == {
        "characters_per_second", "no_speech",
    }  # fmt: skip


def test_rows_without_a_duration_fail() -> None:
    batch = rows(GOOD, GOOD, seconds=[None, 0.0])
    assert reasons(TranscriptQuality(duration="seconds"), batch) == ["failed", "failed"]
    assert batch.failures[0] == "notMeasurable: the row has no characters per second"
    with pytest.raises(InputError, match="not numbers"):
        TranscriptQuality(duration="seconds").keep(rows(GOOD, seconds=["5"]))


def test_the_measures_are_their_definitions() -> None:
    found = TranscriptQuality(duration="seconds").measures(rows(GOOD, None, seconds=[10.0, 1.0]))
    assert {name: values[0] for name, values in found.items()} == {
        "characters": 69,
        "unique_words": pytest.approx(13 / 16),
        "word_length": 10,
        "compression": pytest.approx(len(GOOD) / len(zlib.compress(GOOD.encode()))),
        "characters_per_second": pytest.approx(6.9),
    }
    assert all(values[1] != values[1] for values in found.values())
