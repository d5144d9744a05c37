"""chunkText splits texts by characters, words and tokens."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.base import Batch
from datajob.operators.text.chunk_text import ChunkText
from datajob.operators.text.token_count import TokenCount
from tests.support.texts import batch_of, decide, texts


def chunks(text, **parameters):
    table = ChunkText(output="n", **parameters).expand(batch_of(text, None))
    assert table.column("text").to_pylist()[-1] is None or table.column("text").to_pylist()[-1] == ""
    return table.slice(0, len(table) - 1).column("text").to_pylist()


@pytest.mark.parametrize(
    ("parameters", "text", "wanted"),
    [
        ({"unit": "characters", "size": 2}, "äbc d", ["äb", "c ", "d"]),
        ({"unit": "characters", "size": 3, "overlap": 1}, "abcde", ["abc", "cde"]),
        ({"size": 2, "tokenizer": "whitespace"}, " one  two three ", ["one  two", "three"]),
        ({"size": 3, "overlap": 2, "tokenizer": "whitespace"}, "a b c d", ["a b c", "b c d"]),
        ({"size": 3}, "我喜欢北京。", ["我喜欢", "北京。"]),
        ({"size": 10}, "short text", ["short text"]),
        ({"size": 10}, "", [""]),
    ],
)
def test_examples(parameters, text, wanted):
    assert chunks(text, **parameters) == wanted


@settings(deadline=None, max_examples=200)
@given(st.lists(texts, min_size=1, max_size=4), st.integers(1, 5), st.integers(0, 4))
def test_word_chunks_are_slices_of_the_words(rows, size, overlap):
    overlap = min(overlap, size - 1)
    operator = ChunkText(size=size, overlap=overlap, tokenizer="whitespace", output="n")
    table = operator.expand(Batch(pa.table({"text": pa.array(rows, pa.string()), "id": range(len(rows))})))
    for i, text in enumerate(rows):
        words, step = text.split(), size - overlap
        starts = range(0, max(len(words) - overlap, 1), step)
        found = [row for row in table.to_pylist() if row["id"] == i]
        assert [row["text"].split() for row in found] == [words[start : start + size] for start in starts]
        assert [row["n"] for row in found] == list(range(len(starts)))


def test_chunks_are_split_at_tokens(tokenizer_path):
    found = chunks("the cat sat é on the mat", unit="tokens", size=3, model_tokenizer=tokenizer_path)
    assert "".join("".join(found).split()) == "thecatsatéonthemat"
    assert decide(TokenCount(tokenizer=tokenizer_path, max=3), *found) == [""] * len(found)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"size": 2, "overlap": 2}, "must be less than"), ({"unit": "tokens"}, "requires `modelTokenizer`")],
)
def test_parameters_must_fit(parameters, message):
    with pytest.raises(ValueError, match=message):
        ChunkText(**parameters)


def test_a_long_text_in_many_chunks_does_not_overflow():
    table = ChunkText(size=1, tokenizer="whitespace").expand(batch_of("word " * 20_000 + "x" * 200_000))
    assert len(table) == 20_001
    assert table.column_names == ["text"]


def test_a_null_text_stays_null_and_an_empty_one_stays_empty():
    rows = pa.table({"text": [None, "", "ab", None]})
    for unit in ("words", "characters"):
        chunks = ChunkText(unit=unit, size=2).expand(Batch(rows))
        assert chunks.column("text").to_pylist() == [None, "", "ab", None]
        assert chunks.schema.field("text").type == pa.string()
