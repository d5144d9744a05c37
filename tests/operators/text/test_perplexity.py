"""perplexity keeps rows by their perplexity under a KenLM model."""

import pytest

from datajob.errors import InputError
from datajob.operators.text.perplexity import Perplexity
from tests.support.texts import batch_of, decide, reasons

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
    with pytest.raises(InputError, match="cannot be read as a KenLM model"):
        decide(Perplexity(model=str(tmp_path / "nowhere.arpa")), "text")
