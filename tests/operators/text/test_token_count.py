"""tokenCount counts the tokens of a language model."""

import pytest

from datajob.errors import InputError
from datajob.operators.text.token_count import TokenCount
from tests.support.texts import batch_of, decide


def test_tokens_are_counted(tokenizer_path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(tokenizer_path)
    rows = ["the cat sat", "", None, "the dog and the log"]
    verdict = TokenCount(tokenizer=tokenizer_path, output="n").keep(batch_of(*rows))
    assert verdict.columns["n"].to_pylist() == [len(tokenizer.encode(row or "").ids) for row in rows]


def test_a_missing_tokenizer_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match=r"`tokenCount`: `.*/tokenizer.json` cannot be read as a Hugging Face tokenizer"):
        decide(TokenCount(tokenizer=str(tmp_path)), "text")
