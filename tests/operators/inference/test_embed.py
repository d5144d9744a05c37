"""embed computes embeddings."""

from pathlib import Path

import numpy as np

from datajob.operators.inference.embed import Embed
from tests.operators.inference.conftest import Ask

TEXTS = ["a", "the quick brown fox", "statements and expressions " * 20, "for in range", "x"] * 3


def test_rows_without_text_fail_alone(ask: Ask) -> None:
    step = Embed(model="none", engine="fake", column="text", output="vector", prefix="query: ", tokens_column="tokens")
    found, failed = ask(step, [{"text": "a"}, {"text": None}])
    assert failed == {1: "the row has no text"}
    assert [row["tokens"] for row in found] == [1, 0]
    assert set(found[0]) == {"vector", "tokens"}


def test_embeddings_have_length_one_and_do_not_depend_on_the_batch(llama: Path, ask: Ask) -> None:
    rows = [{"text": t} for t in TEXTS] + [{"text": None}, {"text": " "}]
    for pooling in ("mean", "last", "first"):
        found, failed = ask(Embed(model=str(llama), column="text", pooling=pooling, batch_rows=8), rows)
        single, _ = ask(Embed(model=str(llama), column="text", pooling=pooling, batch_rows=1), rows)
        assert failed == {15: "the row has no text", 16: "the text is empty"}
        vectors = np.array([row["embedding"] for row in found[:15]], np.float32)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(vectors, np.array([row["embedding"] for row in single[:15]]), atol=1e-5)
