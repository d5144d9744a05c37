"""gopherRepetition decides as its slow version in Python does."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.text.gopher_repetition import GopherRepetition
from tests.support import reference_text
from tests.support.quality_rules import check_dead_rows, check_empty_texts
from tests.support.texts import batch_of, decide, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


@settings(deadline=None, max_examples=300)
@given(SEVERAL)
def test_gopher_repetition_decides_as_the_slow_rules(rows):
    wanted = [reference_text.gopher_repetition(text, text.split()) for text in rows]
    assert decide(GopherRepetition(tokenizer="whitespace"), *rows) == wanted


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (GopherRepetition(), "", "empty"),
        (GopherRepetition(), "One paragraph.\n\n" * 3, "dup_para_frac"),
        (GopherRepetition(), "One line.\n" * 3, "dup_line_frac"),
        (GopherRepetition(), "hey you hey you hey you", "top_2_gram"),
    ],
)
def test_each_rule_rejects_for_its_reason(rule, text, reason):
    rule = rule.model_copy(update={"tokenizer": "whitespace"})
    assert decide(rule, text) == [reason]


@pytest.mark.parametrize("tokenizer", ["unicode", "whitespace"])
def test_null_is_an_empty_text(tokenizer):
    check_empty_texts(GopherRepetition(tokenizer=tokenizer), rejects_blank=False)


def test_an_empty_batch_has_an_empty_verdict():
    assert len(GopherRepetition().keep(batch_of(kind=pa.string())).codes) == 0


def test_rows_that_are_not_alive_change_nothing():
    check_dead_rows(GopherRepetition())


def test_sequence_lengths_must_ascend():
    limits = [{"words": 3, "max": 0.1}, {"words": 2, "max": 0.1}]
    with pytest.raises(ValueError, match="ascending"):
        GopherRepetition.model_validate({"topSequences": limits})
