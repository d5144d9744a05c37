"""finewebQuality decides as its slow version in Python does."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.text.fineweb_quality import FinewebQuality
from tests.support import reference_text
from tests.support.quality_rules import PROSE, check_dead_rows, check_empty_texts
from tests.support.texts import batch_of, decide, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


@settings(deadline=None, max_examples=300)
@given(SEVERAL)
def test_fineweb_quality_decides_as_the_slow_rules(rows):
    wanted = [reference_text.fineweb_quality(text, text.split()) for text in rows]
    assert decide(FinewebQuality(tokenizer="whitespace"), *rows) == wanted


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (FinewebQuality(), " \n\t\n", "empty"),
        (FinewebQuality(), "no mark at the end of this long enough line\n" * 2, "line_punct_ratio"),
        (FinewebQuality(), "no mark at the end of this long enough line", "line_punct_ratio"),
        (FinewebQuality(allow_no_marked_line=True), "no mark at the end of this long enough line", ""),
        (FinewebQuality(line_end_marks=("e",)), "no mark at the end of this long enough line", ""),
        (FinewebQuality(), "Short.\nLines.\n", "short_line_ratio"),
        (FinewebQuality(), PROSE * 2, "char_dup_ratio"),
    ],
)
def test_each_rule_rejects_for_its_reason(rule, text, reason):
    rule = rule.model_copy(update={"tokenizer": "whitespace"})
    assert decide(rule, text) == [reason]


@pytest.mark.parametrize("tokenizer", ["unicode", "whitespace"])
def test_null_is_an_empty_text(tokenizer):
    check_empty_texts(FinewebQuality(tokenizer=tokenizer))


def test_an_empty_batch_has_an_empty_verdict():
    assert len(FinewebQuality().keep(batch_of(kind=pa.string())).codes) == 0


def test_rows_that_are_not_alive_change_nothing():
    check_dead_rows(FinewebQuality())
