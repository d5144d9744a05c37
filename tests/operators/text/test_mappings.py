"""Operators that change text: what becomes of examples, and of null."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.text.chinese_convert import ChineseConvert
from datajob.operators.text.extract_html import ExtractHtml
from datajob.operators.text.punctuation_normalize import PunctuationNormalize
from datajob.operators.text.regex_replace import RegexReplace
from datajob.operators.text.remove_headers import RemoveHeaders
from datajob.operators.text.remove_licences import RemoveLicences
from datajob.operators.text.remove_lines import RemoveLines
from datajob.operators.text.sentence_split import SentenceSplit
from datajob.operators.text.unicode_normalize import UnicodeNormalize
from datajob.operators.text.whitespace_normalize import WhitespaceNormalize
from tests.support import reference_text
from tests.support.texts import batch_of, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)
PAGE = """<html><head><title>t</title></head><body><nav><a href="/">Home</a> <a href="/x">Menu</a></nav><article><h1>Bees</h1>
<p>Bees are flying insects closely related to wasps and ants, known for their roles in pollination.</p>
<p>They live in colonies, and a colony has a queen, drones and a great many workers.</p></article>
<footer>All rights reserved</footer></body></html>"""


def changed(operator, *rows):
    """The column `text` after the operator, which keeps nulls."""
    column = operator.apply(batch_of(*rows, None, kind=pa.string())).column("text").to_pylist()
    assert column.pop() is None
    return column


@pytest.mark.parametrize(
    ("operator", "text", "wanted"),
    [
        (UnicodeNormalize(), "cafÃ© &amp; ﬁne", "café & fine"),
        (UnicodeNormalize(), "e\u0301", "é"),
        (UnicodeNormalize(form="NFD"), "é", "e\u0301"),
        (UnicodeNormalize(form="NFKC", repair=False), "Ⅳ ①", "IV 1"),
        (UnicodeNormalize(repair=False, form="none"), "cafÃ©", "cafÃ©"),
        (UnicodeNormalize(), "“q” ＡＢＣ", "“q” ABC"),
        (UnicodeNormalize(uncurl_quotes=True, keep_widths=True), "“q” ＡＢＣ", '"q" ＡＢＣ'),
        (UnicodeNormalize(), "a\r\nb\x00\x1b[31mc", "a\nbc"),
        (RegexReplace(pattern=r"(?i)\bfoo(\d)", replacement=r"bar\1"), "Foo1 foo2 food", "bar1 bar2 food"),
        (WhitespaceNormalize(), " a\u3000\u00a0 b\t\r\n\r\n\r\n c \u2028d ", "a b\n\nc\nd"),
        (WhitespaceNormalize(max_newlines=0), "a\n\nb", "a b"),
        (PunctuationNormalize(), "“It’s” – yes… 你好，", '"It\'s" - yes... 你好，'),
        (PunctuationNormalize(full_width=True), "你好，《书》。", "你好,<书>."),
        (PunctuationNormalize(quotes=False, dashes=False), "“–”", "“–”"),
        (
            RemoveLines(),
            "Menu\nThis line is good.\nEnable JavaScript to see it.\nRead our privacy policy now.",
            "This line is good.",
        ),
        (RemoveLines(), "Menu\nHome", ""),
        (ChineseConvert(), "漢語軟體 abc", "汉语软体 abc"),
        (ChineseConvert(variant="s2twp"), "软件", "軟體"),
        (RemoveLicences(), "#!/bin/sh\n# Copyright 2020 A\n# Licensed under MIT\n\necho hi\n", "echo hi\n"),
        (RemoveLicences(), "/* (c) 2019 B\n */\n// Copyright too\nint x; /* Copyright */", "int x; /* Copyright */"),
        (RemoveLicences(), "# what this does\nx = 1  # copyright", "# what this does\nx = 1  # copyright"),
        (RemoveHeaders(), "---\ntitle: x\n---\n\nBody --- here", "Body --- here"),
        (RemoveHeaders(), "From: a\nSubject: b\n  folded\n\nHello: you\n", "Hello: you\n"),
        (RemoveHeaders(), "\\documentclass{a}\n\\begin{document}\n\\section{One} text", "\\section{One} text"),
        (RemoveHeaders(), "No header here\n---\n", "No header here\n---\n"),
    ],
)
def test_examples(operator, text, wanted):
    assert changed(operator, text, "", "plain and simple words.") == [wanted, "", "plain and simple words."]


@pytest.mark.parametrize(
    "operator", [WhitespaceNormalize(), PunctuationNormalize(), UnicodeNormalize(), RemoveLines(), RegexReplace(pattern="z")]
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_the_column_keeps_its_type(operator, kind):
    assert operator.apply(batch_of("text", None, kind=kind)).schema.field("text").type == kind


@settings(deadline=None, max_examples=200)
@given(SEVERAL, st.integers(0, 3))
def test_white_space_is_made_plain(rows, newlines):
    def slow_normal(text):
        cut, gap = "", None
        for line in text.splitlines(keepends=True):
            for c in line:
                if not c.isspace():
                    cut += (gap or "") + c if cut else c
                    gap = None
                elif gap is None:
                    gap = " "
            if line.splitlines()[0] != line and newlines:
                gap = "\n" if gap in (None, " ") else (gap + "\n")[:newlines]
            elif line.splitlines()[0] != line:
                gap = " "
        return cut

    assert changed(WhitespaceNormalize(max_newlines=newlines), *rows) == [slow_normal(text) for text in rows]


@settings(deadline=None, max_examples=200)
@given(SEVERAL)
def test_sentences_are_those_of_the_slow_rules_and_lose_nothing(rows):
    table = SentenceSplit().apply(batch_of(*rows, None, kind=pa.string()))
    found = table.column("sentences").to_pylist()
    assert found.pop() is None
    for text, cut in zip(rows, found, strict=True):
        wanted = [sentence.strip() for sentence in reference_text.sentences(text)]
        assert cut[: len(wanted)] == wanted
        assert len(cut) <= len(wanted) + 1
        assert "".join("".join(cut).split()) == "".join(text.split())


def test_sentences_of_two_languages():
    text = "J. Smith is here. Is he? “Yes.” 你好。再见！ no end"
    found = SentenceSplit(output="s").apply(batch_of(text)).column("s").to_pylist()
    assert found == [["J. Smith is here.", "Is he?", "“Yes.”", "你好。", "再见！", "no end"]]


@pytest.mark.parametrize("engine", ["trafilatura", "resiliparse"])
def test_the_main_text_of_a_page_is_extracted(engine):
    pages = pa.table({"html": pa.array([PAGE.encode(), None, b""], pa.binary())})
    from datajob.operators.base import Batch

    texts = ExtractHtml(engine=engine).apply(Batch(pages)).column("text").to_pylist()
    assert "Bees are flying insects" in texts[0]
    assert "Menu" not in texts[0]
    assert texts[1:3] == [None, ""]


def test_a_wrong_regular_expression_is_refused_with_the_job():
    with pytest.raises(ValueError, match="not a valid RE2 regular expression"):
        RegexReplace(pattern="(")


def test_a_missing_package_is_a_clear_error(monkeypatch):
    import sys

    from datajob.errors import InvalidJob

    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(InvalidJob, match=r"`chineseConvert` needs the Python package `opencc`.*pip install opencc"):
        changed(ChineseConvert(), "漢")
