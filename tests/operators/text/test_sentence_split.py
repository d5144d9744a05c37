"""sentenceSplit, and the rules that count its sentences."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datajob.operators.base import Batch
from datajob.operators.text._sentences import abbreviations
from datajob.operators.text._word_lists import shipped_words
from datajob.operators.text.c4_quality import C4Quality
from datajob.operators.text.sentence_end_ratio import SentenceEndRatio
from datajob.operators.text.sentence_split import SentenceSplit
from tests.support.reference_sentences import boundaries
from tests.support.texts import batch_of, decide, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


def sentences(text: str, *languages: str) -> list[str]:
    found: list[str] = (
        SentenceSplit.model_validate({"abbreviations": languages}).apply(batch_of(text)).column("sentences")[0].as_py()
    )
    return found


@pytest.mark.parametrize(
    "text",
    [
        "Version 2.5 is out.",
        "See docs.python.org/3.11 for more.",
        "Write to a.b@c.org, e.g. today, i.e. now.",
        "Visit www.a.b.c.d.e.example.com today now.",
        "J. R. R. Tolkien wrote it.",
        "The U.S. Army left.",
        "He left... and came back.",
        "Version 1.2.3-rc.1 of foo.bar() is broken.",
    ],
)
def test_a_full_stop_within_a_sentence_does_not_end_it(text: str) -> None:
    assert sentences(text) == [text]
    assert sentences(f"{text} {text}") == [text, text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He said “Stop.” Then he left! Did he? (Yes.) OK.", ["He said “Stop.”", "Then he left!", "Did he?", "(Yes.)", "OK."]),
        ("你好。再见！“走吧。”他说。", ["你好。", "再见！", "“走吧。”", "他说。"]),
        ("one\ntwo\r\nthree\u2028four", ["one", "two", "three", "four"]),
        ("It was NASA. They left.", ["It was NASA.", "They left."]),
        ("सत्य है। चलो।", ["सत्य है।", "चलो।"]),
        ("„Halt.“ Er ging. «Non.» Il part.«Oui.»", ["„Halt.“", "Er ging.", "«Non.»", "Il part.", "«Oui.»"]),
        ("It ends.(Really.) Yes.", ["It ends.", "(Really.)", "Yes."]),
        (" \n  ", []),
        ("...", ["..."]),
    ],
)
def test_sentences_end_after_marks_with_their_closings_and_at_newlines(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Dr. Smith met Mr. Fox at No. 5, see Fig. 3 and Prof. Lee."),
        ("de", "Dr. Müller wohnt in der Nr. 5, z.B. Herr Prof. Klein."),
        ("fr", "Mme. Curie et Dr. Petit, p. 12 et Mgr. Dupont."),
        ("es", "La Sra. García y el Dr. Ruiz, núm. 7."),
        ("ru", "В г. Москва и на ул. Ленина живет проф. Иванов."),
    ],
)
def test_abbreviations_of_the_languages_named_end_no_sentence(language: str, text: str) -> None:
    assert sentences(text, language) == [text]
    assert len(sentences(text)) > 1
    assert sentences(f"{text} {text.upper()}", language) == [text, text.upper()]


def test_an_abbreviation_at_the_end_of_a_line_ends_it_and_a_longer_word_is_none() -> None:
    assert sentences("Ask the Dr.\nThe Adr. The end.", "en") == ["Ask the Dr.", "The Adr.", "The end."]


def test_every_language_has_its_abbreviations_and_no_other_is_taken() -> None:
    assert set(shipped_words("abbreviations")) == {"de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru", "sv"}
    assert all(abbreviations((language,)).any() for language in shipped_words("abbreviations"))
    with pytest.raises(ValidationError):
        SentenceSplit.model_validate({"abbreviations": ["xx"]})


ONE_SENTENCE = [
    "The ratio was 1.5 and 2.5 and 3.5 and 4.5 and 5.5 overall.",
    "Visit www.a.b.c.d.e.example.com today now.",
]
FIVE_SENTENCES = "This is one. This is two! Is this three? This is version 4.0. This is five."


def test_c4_counts_these_sentences_and_with_white_space_those_of_datatrove() -> None:
    assert decide(C4Quality(), *ONE_SENTENCE, FIVE_SENTENCES) == ["too_few_sentences", "too_few_sentences", ""]
    assert decide(C4Quality(tokenizer="whitespace"), *ONE_SENTENCE) == ["", ""]
    measured = C4Quality().measures(batch_of(*ONE_SENTENCE, FIVE_SENTENCES))["sentences_in_good_lines"]
    assert measured.tolist() == [1, 1, 5]
    titles = "Ask Dr. A and Dr. B and Dr. C and Dr. D and Dr. E today."
    assert decide(C4Quality(), titles) == [""]
    assert decide(C4Quality(abbreviations=("en",)), titles) == ["too_few_sentences"]


def test_the_ratio_of_marked_sentences_counts_these_sentences() -> None:
    text = "Version 2.5 is out.\nno mark here\nneither 3.5 here"
    assert SentenceEndRatio().measure(batch_of(text)).tolist() == [pytest.approx(1 / 3)]


def test_rows_that_are_not_alive_and_nulls_have_no_sentences() -> None:
    batch = Batch(pa.table({"text": ["A b. C d.", None, ""]}))
    assert SentenceSplit().apply(batch).column("sentences").to_pylist() == [["A b.", "C d."], None, []]


@settings(deadline=None, max_examples=200)
@given(SEVERAL)
def test_sentences_are_those_of_the_slow_rules_and_lose_nothing(rows: list[str]) -> None:
    table = SentenceSplit().apply(batch_of(*rows, None, kind=pa.string()))
    found = table.column("sentences").to_pylist()
    assert found.pop() is None
    for text, cut in zip(rows, found, strict=True):
        assert cut == [trimmed for sentence in boundaries(text, tailored=True) if (trimmed := sentence.strip())]
        assert "".join("".join(cut).split()) == "".join(text.split())


def test_sentences_of_two_languages() -> None:
    text = "J. Smith is here. Is he? “Yes.” 你好。再见！ no end"
    assert sentences(text) == ["J. Smith is here.", "Is he?", "“Yes.”", "你好。", "再见！", "no end"]
