"""sentenceSplit splits texts into sentences."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.text.sentence_split import SentenceSplit
from tests.support import reference_text
from tests.support.texts import batch_of, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


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
