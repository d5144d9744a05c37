"""gopherQuality decides as its slow version in Python does."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.text.gopher_quality import GopherQuality
from tests.support import reference_text
from tests.support.quality_rules import PROSE, check_dead_rows, check_empty_texts
from tests.support.texts import batch_of, decide, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


@settings(deadline=None, max_examples=300)
@given(SEVERAL)
def test_gopher_quality_decides_as_the_slow_rules(rows):
    wanted = [reference_text.gopher_quality(text, text.split(), least=5) for text in rows]
    assert decide(GopherQuality(tokenizer="whitespace", min_words=5), *rows) == wanted


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (GopherQuality(), PROSE * 3, ""),
        (GopherQuality(), "too short", "gopher_short_doc"),
        (GopherQuality(max_words=60), PROSE * 4, "gopher_long_doc"),
        (GopherQuality(), "a b " * 60, "gopher_below_avg_threshold"),
        (GopherQuality(), "the to " + "incomprehensible " * 60, "gopher_above_avg_threshold"),
        (GopherQuality(), PROSE * 3 + "# " * 20, "gopher_too_many_hashes"),
        (GopherQuality(), PROSE * 3 + "word … " * 20, "gopher_too_many_ellipsis"),
        (GopherQuality(), ("- " + PROSE) * 3, "gopher_too_many_bullets"),
        (GopherQuality(), PROSE.replace(".\n", "...\n") * 3, "gopher_too_many_end_ellipsis"),
        (GopherQuality(), PROSE * 3 + "12345 " * 40, "gopher_below_alpha_threshold"),
        (GopherQuality(), "Haus Hof Garten Wiese Wald " * 20, "gopher_enough_stop_words"),
        (GopherQuality(stop_words=("Haus", "Hof")), "Haus Hof Garten Wiese Wald " * 20, ""),
    ],
)
def test_each_rule_rejects_for_its_reason(rule, text, reason):
    rule = rule.model_copy(update={"tokenizer": "whitespace"})
    assert decide(rule, text) == [reason]


@pytest.mark.parametrize("tokenizer", ["unicode", "whitespace"])
def test_null_is_an_empty_text(tokenizer):
    check_empty_texts(GopherQuality(tokenizer=tokenizer))


def test_an_empty_batch_has_an_empty_verdict():
    assert len(GopherQuality().keep(batch_of(kind=pa.string())).codes) == 0


def test_rows_that_are_not_alive_change_nothing():
    check_dead_rows(GopherQuality())
