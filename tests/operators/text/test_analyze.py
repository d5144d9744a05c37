"""What `analyze` measures is what the filters decide by, whatever the text."""

import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InputError
from datajob.operators.base import Batch, Filter
from datajob.operators.registry import all_operators, filter_with_limits, filters_with_limits, modality
from datajob.operators.text.analyze import DEFAULT_MEASURES, Analyze
from datajob.operators.text.c4_quality import C4Quality
from datajob.operators.text.fineweb_quality import FinewebQuality
from datajob.operators.text.gopher_quality import GopherQuality
from datajob.operators.text.gopher_repetition import GopherRepetition
from datajob.operators.text.stop_word_ratio import StopWordRatio
from datajob.operators.text.text_length import TextLength
from datajob.operators.text.word_count import WordCount
from tests.support.pictures import photo_bytes
from tests.support.texts import batch_of, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)
FAR = 1e9

HARMLESS_QUALITY = {
    "min_words": 0,
    "max_average_word_length": FAR,
    "min_average_word_length": 0,
    "max_symbol_ratio": FAR,
    "max_bullet_lines": 1,
    "max_ellipsis_lines": 1,
    "min_alphabetic_words": 0,
    "min_stop_words": 0,
}
HARMLESS_LINES = {
    "min_marked_lines": 0,
    "max_short_lines": 1,
    "max_duplicate_line_characters": 1,
    "max_newlines_per_word": FAR,
}
HARMLESS_PARTS = {
    "max_duplicate_lines": 1,
    "max_duplicate_paragraphs": 1,
    "max_duplicate_line_characters": FAR,
    "max_duplicate_paragraph_characters": FAR,
    "top_sequences": (),
    "duplicate_sequences": (),
}

RULES = [
    *(
        GopherQuality(**{**HARMLESS_QUALITY, **limit})
        for limit in (
            {"min_words": 3},
            {"max_words": 5},
            {"min_average_word_length": 4},
            {"max_average_word_length": 4.5},
            {"max_symbol_ratio": 0.1},
            {"max_bullet_lines": 0.3},
            {"max_ellipsis_lines": 0.3},
            {"min_alphabetic_words": 0.7},
            {"min_stop_words": 2},
        )
    ),
    *(
        FinewebQuality(**{**HARMLESS_LINES, **limit}, tokenizer="whitespace")
        for limit in (
            {"min_marked_lines": 0.4},
            {"min_marked_lines": 0.4, "allow_no_marked_line": True},
            {"max_short_lines": 0.5, "short_line_length": 8},
            {"max_duplicate_line_characters": 0.1},
            {"max_newlines_per_word": 0.2},
        )
    ),
    *(
        GopherRepetition(**{**HARMLESS_PARTS, **limit})
        for limit in (
            {"max_duplicate_lines": 0.2},
            {"max_duplicate_paragraphs": 0.2},
            {"max_duplicate_line_characters": 0.2},
            {"max_duplicate_paragraph_characters": 0.2},
            {"top_sequences": ({"words": 2, "max": 0.3},)},
            {"top_sequences": ({"words": 1, "max": FAR}, {"words": 3, "max": 0.3})},
            {"duplicate_sequences": ({"words": 2, "max": 0.1}, {"words": 4, "max": FAR})},
        )
    ),
    C4Quality(min_sentences=3, curly_bracket=False, lorem_ipsum=False),
    C4Quality(min_sentences=2, require_line_end_mark=False, curly_bracket=False, lorem_ipsum=False),
    TextLength(min=5, max=40),
    StopWordRatio(min=0.1, max=0.5, tokenizer="whitespace"),
]


def named(rule: Filter) -> str:
    return f"{rule.key}-{'-'.join(sorted(rule.model_dump(exclude_defaults=True)))}"


@pytest.mark.parametrize("rule", RULES, ids=named)
@settings(deadline=None, max_examples=60)
@given(rows=SEVERAL)
def test_a_row_is_rejected_if_a_measure_exceeds_its_limit(rule: Filter, rows: list[str]) -> None:
    batch = batch_of(*rows)
    measures, verdict = rule.measures(batch), rule.keep(batch)
    beyond = np.zeros(len(batch), dtype=bool)
    for bound in rule.bounds():
        values = measures[bound.measure]
        beyond |= values < bound.limit if bound.is_minimum else values > bound.limit
    reasons = ("", *verdict.reasons)
    rejected = [code > 0 and reasons[code] != "empty" for code in verdict.codes.tolist()]
    assert beyond.tolist() == rejected


@pytest.mark.parametrize("key", [key for key in filters_with_limits() if modality(filter_with_limits(key)) == "text"])
def test_every_limit_of_an_operator_that_can_be_asked_for_is_measured(key: str) -> None:
    rule = filter_with_limits(key)()
    measures = rule.measures(batch_of("The house is old.\n", "", None))
    assert set(measures) == {bound.measure for bound in rule.bounds()}
    assert {len(values) for values in measures.values()} == {3}


@pytest.mark.parametrize("key", [key for key in filters_with_limits() if modality(filter_with_limits(key)) == "image"])
def test_every_limit_of_a_filter_of_images_is_measured(key: str) -> None:
    table = pa.table({"image": pa.array([photo_bytes("china"), b"", None]), "text": ["a", "b", "c"]})
    analyze = Analyze(measures=(key,))
    measures = analyze.observe(Batch(table))[key]
    assert set(measures) >= {bound.measure for bound in analyze.filters()[key].bounds()}
    assert all(np.isfinite(values).tolist() == [True, False, False] for values in measures.values())


def test_only_filters_with_limits_and_without_required_parameters_can_be_measured() -> None:
    assert {"textLength", "gopherQuality", "languageId"} <= set(filters_with_limits())
    assert not {"piiRedact", "perplexity", "analyze"} & set(filters_with_limits())
    schema = Analyze.model_json_schema()["properties"]["measures"]
    assert schema["items"] == {"type": "string", "enum": list(filters_with_limits())}
    with pytest.raises(ValueError, match=r"`wordCont` is not a filter with limits; did you mean `wordCount`\?"):
        Analyze(measures=("wordCont",))
    with pytest.raises(ValueError, match="`perplexity` is not a filter with limits"):
        Analyze(measures=("perplexity",))


def test_the_jobs_filters_are_measured_with_their_parameters_in_place_of_the_defaults() -> None:
    filters = {
        "wordCount": WordCount(column="body", tokenizer="whitespace"),
        "wordCount-2": WordCount(column="body"),
        "textLength": TextLength(column="made_later"),
        "sample": all_operators()["sample"](fraction=0.5),
    }
    step = pickle.loads(pickle.dumps(Analyze(column="body", measures=("wordCount", "digitRatio")).with_job_filters(filters)))
    found = step.observe(Batch(pa.table({"body": ["don't, 1"]})))
    assert {name: measures.popitem()[1].tolist() for name, measures in found.items()} == {
        "wordCount": [2],
        "wordCount-2": [3],
        "digitRatio": [1 / 8],
    }
    assert list(step.job_filters()) == ["wordCount", "wordCount-2", "textLength"]


def test_other_limits_of_the_job_change_the_identity() -> None:
    step = Analyze()
    assert (
        step.with_job_filters({"wordCount": WordCount(min=1)}).identity()
        != step.with_job_filters({"wordCount": WordCount(min=2)}).identity()
    )
    assert (
        step.with_job_filters({"wordCount": WordCount(min=1)}).identity()
        == step.with_job_filters({"wordCount": WordCount(min=1)}).identity()
    )


def test_words_of_all_measures_are_those_of_the_tokenizer() -> None:
    rules = Analyze(tokenizer="whitespace").filters()
    assert set(rules) == set(DEFAULT_MEASURES)
    assert {rule.tokenizer for rule in rules.values() if "tokenizer" in type(rule).model_fields} == {"whitespace"}


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (pa.array([1, None, 3]), [1, None, 3]),
        (pa.array([True, False]), [1, 0]),
        (pa.array([0.5, float("nan")]), [0.5, None]),
        (pa.array(["1.25"]).cast(pa.decimal128(6, 2)), [1.25]),
        (pa.nulls(2), [None, None]),
        (pa.array([2**62]), [2.0**62]),
    ],
)
def test_numeric_columns_are_described(array: pa.Array, wanted: list[float | None]) -> None:
    table = pa.table({"text": ["a"] * len(array), "score": array})
    values = Analyze(measures=(), columns=("score",)).observe(Batch(table))["columns"]["score"]
    assert [None if np.isnan(value) else value for value in values.tolist()] == wanted


def test_a_column_of_texts_is_not_described_as_numbers() -> None:
    with pytest.raises(InputError, match="contains string, not numbers"):
        Analyze(columns=("text",)).observe(batch_of("a"))
