"""`unicodeNormalize` gives what ftfy and `unicodedata.normalize` give, whatever the text."""

from __future__ import annotations

import unicodedata
from itertools import product

import ftfy
import pyarrow as pa
import pytest
from ftfy.badness import BADNESS_RE, is_bad
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.text._mojibake import automaton, mojibake
from datajob.operators.text.unicode_normalize import UnicodeNormalize
from tests.support.texts import batch_of, changed, texts

REAL = [
    "Das Frühstück kostet 3,50 €, sagte er: „Schön!“ – «été» à la crème, œuvre, cœur",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. СССР»Р",
    "我们，在北京；“你好”！（全角）ＡＢＣ１２３　ｶﾀｶﾅ",
    "हिन्दी में लड़का और पढ़ाई, क़लम",
    "Tiếng Việt rất đẹp và trời hôm nay nắng, الْعَرَبِيَّة שָׁלוֹם ελληνικά Αθήνα",
    "naïve café’s “quote” ﬁne ① ½ Ⅳ ﷺ",
]
WRONG = ["latin-1", "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "mac-roman", "cp437"]
MOJIBAKE = [text.encode().decode(encoding, "replace") for text, encoding in product(REAL, WRONG)]
SNIPPETS = [
    *(
        "&amp;",
        "&amp;amp;",
        "&lt;b&gt;",
        "&nbsp",
        "&#x41;",
        "&#xD800;",
        "&EACUTE;",
        "&x;",
        "＆amp；",
        "<",
        "＜",
        "\n",
        "\r\n",
        "\r",
    ),
    *("\x1b[31m", "\x1b［0m", "\x1b", "\x00", "\x7f", "\ufeff", "\u2028", "\x85", "\u0301", "e\u0323\u0301", "e\u0301\u0323"),
    *(
        "\u1100\u1161\u11a8",
        "가\u11a8",
        "\u0958",
        "\u0928\u093c",
        "\u09c7\u09be",
        "\ufb1d",
        "Ã ",
        "Â ",
        "â€™",
        "â€œ",
        "à²",
        "×²",
    ),
    *("Ĳ", "ŉ", "ǆ", "ﬃ", "’", "‘", "\ufffd", "Œ.", "é”x", "é” ", "вЂ", "ā€", "Ã\xa0"),
]
lines = st.lists(st.one_of(st.sampled_from(SNIPPETS), st.sampled_from(REAL), texts, st.text(max_size=3)), max_size=8).map(
    "".join
)
FORMS = ["NFC", "NFKC", "NFD", "NFKD", "none"]


def slow(operator, text):
    if not operator.repair:
        return text if operator.form == "none" else unicodedata.normalize(operator.form, text)
    return ftfy.fix_text(
        text,
        normalization=None if operator.form == "none" else operator.form,
        uncurl_quotes=operator.uncurl_quotes,
        fix_latin_ligatures=not operator.keep_widths,
        fix_character_width=not operator.keep_widths,
    )


def normalized(operator, rows):
    return operator.apply(batch_of(*rows, kind=pa.string())).column("text").to_pylist()


operators = st.builds(
    UnicodeNormalize, form=st.sampled_from(FORMS), repair=st.booleans(), uncurl_quotes=st.booleans(), keep_widths=st.booleans()
)


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(operators, st.lists(st.one_of(lines, st.sampled_from(MOJIBAKE)), min_size=1, max_size=5))
def test_the_result_is_that_of_ftfy(operator, rows):
    assert normalized(operator, rows) == [slow(operator, text) for text in rows]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("repair", [True, False])
def test_every_character_alone_and_after_a_letter_is_that_of_ftfy(form, repair):
    operator = UnicodeNormalize(form=form, repair=repair)
    characters = [chr(c) for c in (*range(0x3400), *range(0xF800, 0x10000), *range(0x1D000, 0x1D200))]
    rows = [*characters, *(f"a{c}" for c in characters if unicodedata.combining(c))]
    assert normalized(operator, rows) == [slow(operator, text) for text in rows]


@pytest.mark.parametrize("text", MOJIBAKE)
def test_wrongly_decoded_text_is_repaired_as_by_ftfy(text):
    rows = [text, f"plain\n{text}\nplain ，\n<&amp;>\n&amp;"]
    assert normalized(UnicodeNormalize(), rows) == [slow(UnicodeNormalize(), row) for row in rows]


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000 + "\u0301b", "，" * 1_000_001 + "\n", "a" * 999_999 + "\r\n", "Ã " + "b，" * 600_000]
)
def test_lines_are_split_where_ftfy_splits_them(text):
    assert normalized(UnicodeNormalize(), [text]) == [slow(UnicodeNormalize(), text)]


def bad(found, text):
    state = found.start
    for character in text:
        state = int(found.following[state + int(found.kinds[ord(character)])])
    return state == 0


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_the_automaton_finds_what_the_expression_of_ftfy_finds(data):
    found = mojibake()
    members = {}
    for point in (*range(0x3000), 0xF8FF, 0xFB01, 0xFFFD, 0x4E2D):
        members.setdefault(int(found.kinds[point]), chr(point))
    text = data.draw(st.text(st.sampled_from([*members.values(), *"ÃÂØÙГВРœ"]), max_size=12))
    assert bad(found, text) == is_bad(text)


def test_an_expression_of_an_unknown_kind_leaves_every_text_to_ftfy():
    found = automaton(f"(?:{BADNESS_RE.pattern})+")
    assert bad(found, "plain é")
    assert not bad(found, "plain")


def test_text_that_nothing_changes_stays_in_its_buffers():
    batch = batch_of("plain words", "déjà vu", kind=pa.large_string())
    before = batch.table.column("text").chunk(0).buffers()[2].address
    assert UnicodeNormalize().apply(batch).column("text").chunk(0).buffers()[2].address == before


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
    ],
)
def test_examples(operator, text, wanted):
    assert changed(operator, text, "", "plain and simple words.") == [wanted, "", "plain and simple words."]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_the_column_keeps_its_type(kind):
    assert UnicodeNormalize().apply(batch_of("text", None, kind=kind)).schema.field("text").type == kind
