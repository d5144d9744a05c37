"""c4Quality decides as its slow version in Python does."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.text.c4_quality import C4Quality
from tests.support import reference_text
from tests.support.quality_rules import PROSE, check_dead_rows, check_empty_texts
from tests.support.texts import batch_of, decide, reasons, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


@settings(deadline=None, max_examples=300)
@given(SEVERAL, st.booleans(), st.integers(0, 3))
def test_c4_quality_decides_and_removes_lines_as_the_slow_rules(rows, any_end, min_words):
    rule = C4Quality(tokenizer="whitespace", require_line_end_mark=not any_end, min_words_per_line=min_words)
    verdict = rule.keep(batch_of(*rows))
    left = [text if code == 0 else "" for code, text in zip(verdict.codes, verdict.columns["text"].to_pylist(), strict=True)]
    assert list(zip(reasons(verdict), left, strict=True)) == [
        reference_text.c4_quality(text, any_end, min_words) for text in rows
    ]


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (C4Quality(), "Lorem IPSUM is here, my friend.", "lorem_ipsum"),
        (C4Quality(), "This is {code} my friend.", "curly_bracket"),
        (C4Quality(), PROSE, "too_few_sentences"),
        (C4Quality(min_sentences=2), PROSE, ""),
    ],
)
def test_each_rule_rejects_for_its_reason(rule, text, reason):
    rule = rule.model_copy(update={"tokenizer": "whitespace"})
    assert decide(rule, text) == [reason]


@pytest.mark.parametrize("tokenizer", ["unicode", "whitespace"])
def test_null_is_an_empty_text(tokenizer):
    check_empty_texts(C4Quality(tokenizer=tokenizer))


def test_an_empty_batch_has_an_empty_verdict():
    assert len(C4Quality().keep(batch_of(kind=pa.string())).codes) == 0


def test_rows_that_are_not_alive_change_nothing():
    check_dead_rows(C4Quality())


def test_c4_keeps_the_text_of_rejected_rows_and_the_nulls():
    verdict = C4Quality().keep(batch_of("dropped  text", None, PROSE * 5))
    assert verdict.columns["text"].to_pylist() == ["dropped  text", None, (PROSE * 5).strip()]


def test_c4_keeps_chinese_prose_with_chinese_marks():
    text = "我喜欢在北京学习中文。" * 3 + "\n导航菜单\n今天的天气很好！明天呢？\n"
    rule = C4Quality(line_end_marks=("。", "！", "？"), min_sentences=3)
    verdict = rule.keep(batch_of(text))
    assert verdict.columns["text"].to_pylist() == ["我喜欢在北京学习中文。" * 3 + "\n今天的天气很好！明天呢？"]
