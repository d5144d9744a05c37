"""languageId keeps rows by language, as fastText would."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from datajob.operators.text._fasttext import load, predict, samples
from datajob.operators.text._language_codes import _NAMES, CODES
from datajob.operators.text._lid176 import language_model, read_model
from datajob.operators.text.language_id import LanguageId
from tests.support.texts import batch_of, decide, reasons

SENTENCES = {
    "en": "The committee will meet again tomorrow morning in order to discuss all the remaining questions.",
    "de": "Der Ausschuss wird morgen früh wieder zusammentreten, um alle offenen Fragen zu besprechen.",
    "zh": "委员会明天早上将再次开会，讨论所有剩下的问题。",
    "ru": "Комитет соберётся завтра утром, чтобы обсудить все оставшиеся вопросы.",
    "th": "คณะกรรมการจะประชุมอีกครั้งในเช้าวันพรุ่งนี้เพื่อหารือเกี่ยวกับคำถามที่เหลือทั้งหมด",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_languages_are_recognized(language):
    verdict = LanguageId(min_score=0.3).keep(batch_of(SENTENCES[language]))
    assert verdict.columns["language"].to_pylist() == [language]
    assert reasons(verdict) == [""]


def test_languages_and_scores_decide():
    rule = LanguageId(languages=("en", "de"), min_score=0.3, min_scores={"de": 1.0})
    assert decide(rule, *SENTENCES.values()) == ["", "language_uncertain"] + ["other_language"] * 3


def test_a_text_without_words_has_no_language():
    verdict = LanguageId().keep(batch_of(None, "", " \n", kind=pa.string()))
    assert verdict.columns["language"].to_pylist() == ["und"] * 3
    assert reasons(verdict) == ["language_uncertain"] * 3


def test_newlines_and_null_characters_do_not_disturb():
    text = SENTENCES["en"].replace(" ", "\n") + "\x00"
    assert LanguageId().keep(batch_of(text)).columns["language"].to_pylist() == ["en"]


PIECES = (*SENTENCES.values(), "</s>", "__label__en", "__label__", " ", "\n", "\x00", "\u3000", "#", "é", "😀", "a", "the")


@given(texts=st.lists(st.lists(st.sampled_from(PIECES) | st.text(), max_size=8).map("".join), min_size=1, max_size=5))
@pytest.mark.parametrize("characters", [10, 1_000_000])
def test_languages_and_confidences_are_those_of_fasttext(lid_path, characters, texts):
    batch = batch_of(*texts)
    found = LanguageId(characters=characters, min_score=0).keep(batch).columns
    spaced = batch_of(*(text.replace("\x00", " ") for text in texts))  # alone they are no word for us
    expected = predict(load(lid_path, "languageId"), samples(spaced, "text", characters))
    assert found["language"].to_pylist() == [next(iter(best), "und") for best in expected]
    scores = [next(iter(best.values()), 0.0) for best in expected]
    assert found["language_score"].to_pylist() == pytest.approx(scores, abs=1e-4)


def test_a_model_other_than_lid176_is_rejected():
    with pytest.raises(ValueError, match="a different kind of model"):
        read_model(b"\1" * 1000)


def test_the_minimum_confidence_is_a_limit_of_the_confidence():
    rule = LanguageId()
    assert [(b.parameter, b.measure, b.limit, b.is_minimum) for b in rule.bounds()] == [("minScore", "score", 0.65, True)]
    measured = rule.measures(batch_of(SENTENCES["en"], None))["score"]
    assert measured[0] > 0.5
    assert measured[1] == 0


@pytest.mark.parametrize(
    ("code", "meant"),
    [("english", "en"), ("zh-cn", "zh"), ("pt_BR", "pt"), ("EN", "en"), ("deu", "de"), ("Germann", "de"), ("jp", "ja")],
)
def test_the_error_about_an_unknown_code_suggests_the_right_one(code, meant):
    for parameters in ({"languages": ["en", code]}, {"minScores": {code: 0.5}}):
        with pytest.raises(ValidationError, match=f"`{code}` is not the code of a language .*; did you mean `{meant}`"):
            LanguageId.model_validate(parameters)


def test_only_codes_of_languages_that_the_model_identifies_are_accepted():
    with pytest.raises(ValidationError, match=r"`False` is not the code of a language .*ISO 639-1"):
        LanguageId(languages=("False",))
    assert {*language_model()[1], "und"} == CODES
    assert set(_NAMES.values()) <= CODES
    LanguageId(languages=tuple(CODES - {"und"}))
