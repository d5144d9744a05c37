"""The quality rules decide as their slow versions do, and drop what they are made to drop."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.base import Batch
from datajob.operators.text.c4_quality import C4Quality
from datajob.operators.text.fineweb_quality import FinewebQuality
from datajob.operators.text.gopher_quality import GopherQuality
from datajob.operators.text.gopher_repetition import GopherRepetition
from tests.support import reference_text
from tests.support.texts import batch_of, decide, reasons, texts

PROSE = "The house that we have with us stands near the river and the trees. It is old, and people like to sit there.\n"
SEVERAL = st.lists(texts, min_size=1, max_size=4)


@settings(deadline=None, max_examples=300)
@given(SEVERAL)
def test_gopher_quality_decides_as_the_slow_rules(rows):
    wanted = [reference_text.gopher_quality(text, text.split(), least=5) for text in rows]
    assert decide(GopherQuality(tokenizer="whitespace", min_words=5), *rows) == wanted


@settings(deadline=None, max_examples=300)
@given(SEVERAL)
def test_gopher_repetition_decides_as_the_slow_rules(rows):
    wanted = [reference_text.gopher_repetition(text, text.split()) for text in rows]
    assert decide(GopherRepetition(tokenizer="whitespace"), *rows) == wanted


@settings(deadline=None, max_examples=300)
@given(SEVERAL, st.booleans(), st.integers(0, 3))
def test_c4_quality_decides_and_cuts_as_the_slow_rules(rows, any_end, min_words):
    rule = C4Quality(tokenizer="whitespace", require_line_end_mark=not any_end, min_words_per_line=min_words)
    verdict = rule.keep(batch_of(*rows))
    left = [text if code == 0 else "" for code, text in zip(verdict.codes, verdict.columns["text"].to_pylist(), strict=True)]
    assert list(zip(reasons(verdict), left, strict=True)) == [
        reference_text.c4_quality(text, any_end, min_words) for text in rows
    ]


@settings(deadline=None, max_examples=300)
@given(SEVERAL)
def test_fineweb_quality_decides_as_the_slow_rules(rows):
    wanted = [reference_text.fineweb_quality(text, text.split()) for text in rows]
    assert decide(FinewebQuality(tokenizer="whitespace"), *rows) == wanted


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
        (GopherRepetition(), "", "empty"),
        (GopherRepetition(), "One paragraph.\n\n" * 3, "dup_para_frac"),
        (GopherRepetition(), "One line.\n" * 3, "dup_line_frac"),
        (GopherRepetition(), "hey you hey you hey you", "top_2_gram"),
        (C4Quality(), "Lorem IPSUM is here, my friend.", "lorem_ipsum"),
        (C4Quality(), "This is {code} my friend.", "curly_bracket"),
        (C4Quality(), PROSE, "too_few_sentences"),
        (C4Quality(min_sentences=2), PROSE, ""),
        (FinewebQuality(), " \n\t\n", "empty"),
        (FinewebQuality(), "no mark at the end of this long enough line\n" * 2, "line_punct_ratio"),
        (FinewebQuality(), "no mark at the end of this long enough line", "line_punct_ratio"),
        (FinewebQuality(allow_no_marked_line=True), "no mark at the end of this long enough line", ""),
        (FinewebQuality(line_end_marks=("e",)), "no mark at the end of this long enough line", ""),
        (FinewebQuality(), "Short.\nLines.\n", "short_line_ratio"),
        (FinewebQuality(), PROSE * 2, "char_dup_ratio"),
    ],
)
def test_each_rule_drops_for_its_reason(rule, text, reason):
    rule = rule.model_copy(update={"tokenizer": "whitespace"})
    assert decide(rule, text) == [reason]


@pytest.mark.parametrize("rule", [GopherQuality(), GopherRepetition(), C4Quality(), FinewebQuality()])
@pytest.mark.parametrize("tokenizer", ["unicode", "whitespace"])
def test_null_is_an_empty_text(rule, tokenizer):
    rule = rule.model_copy(update={"tokenizer": tokenizer})
    null, empty, blank = decide(rule, None, "", " \u3000\n\u2028 ")
    assert null == empty != ""
    assert blank or isinstance(rule, GopherRepetition)  # white space repeats nothing


@pytest.mark.parametrize("rule", [GopherQuality(), GopherRepetition(), C4Quality(), FinewebQuality()])
def test_no_rows_are_no_problem(rule):
    assert len(rule.keep(batch_of(kind=pa.string())).codes) == 0


@pytest.mark.parametrize("rule", [GopherQuality(), GopherRepetition(), C4Quality(), FinewebQuality()])
def test_rows_that_are_not_alive_cost_nothing_and_change_nothing(rule):
    rows = [PROSE * 3, "x", PROSE * 40, PROSE * 3]
    all_rows = rule.keep(batch_of(*rows))
    some = rule.keep(Batch(batch_of(*rows).table, alive=np.array([True, True, False, True])))
    assert [reasons(all_rows)[i] for i in (0, 1, 3)] == [reasons(some)[i] for i in (0, 1, 3)]


def test_c4_keeps_the_text_of_dropped_rows_and_the_nulls():
    verdict = C4Quality().keep(batch_of("dropped  text", None, PROSE * 5))
    assert verdict.columns["text"].to_pylist() == ["dropped  text", None, (PROSE * 5).strip()]


def test_repetition_lengths_must_ascend():
    limits = [{"words": 3, "max": 0.1}, {"words": 2, "max": 0.1}]
    with pytest.raises(ValueError, match="ascending"):
        GopherRepetition.model_validate({"topSequences": limits})


def test_c4_keeps_chinese_prose_with_chinese_marks():
    text = "我喜欢在北京学习中文。" * 3 + "\n导航菜单\n今天的天气很好！明天呢？\n"
    rule = C4Quality(line_end_marks=("。", "！", "？"), min_sentences=3)
    verdict = rule.keep(batch_of(text))
    assert verdict.columns["text"].to_pylist() == ["我喜欢在北京学习中文。" * 3 + "\n今天的天气很好！明天呢？"]
