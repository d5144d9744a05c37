from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.dedup.exact_dedup import ExactDedup
from tests.support.exchange import deduplicated
from tests.support.local_jobs import make_job, read_manifest, run, write_parts

TEXTS = ["Hello, World!", "hello world", " Hello,\n World!", "Hello, World!", "ＨＥＬＬＯ world", None, None, "", " "]


@pytest.mark.parametrize(
    ("normalize", "kept"),
    [
        ("none", [0, 1, 2, 4, 5, 6, 7, 8]),
        ("whitespace", [0, 1, 4, 5, 6, 7]),
        ("casefold", [0, 1, 4, 5, 6, 7]),
        ("letters", [0, 5, 6, 7]),
    ],
)
@pytest.mark.parametrize("partitions", [1, 3])
def test_texts_are_compared_after_normalization(normalize, kept, partitions):
    assert deduplicated(ExactDedup(normalize=normalize), pa.table({"text": TEXTS}), partitions, size=4) == kept


@pytest.mark.parametrize(
    ("normalize", "left", "right", "equal"),
    [
        ("casefold", "Straße", "STRASSE", True),
        ("casefold", "a b", "ab", False),
        ("letters", "don’t", "don't", True),
        ("letters", "ﬁne", "FINE", True),
        ("letters", "हिन्दी", "हन्द", False),
        ("letters", "café", "cafe", False),
        ("letters", "2,5 €", "25", True),
        ("letters", "a\u200bb", "ab", True),
        ("whitespace", "a\u3000b", "a b", True),
    ],
)
def test_what_counts_as_equal(normalize, left, right, equal):
    kept = deduplicated(ExactDedup(normalize=normalize), pa.table({"text": [left, right]}))
    assert (kept == [0]) == equal


@pytest.mark.parametrize(
    ("parameters", "kept"),
    [
        ({"keep": "first"}, [0, 3]),
        ({"keep": "longest"}, [2, 3]),
        ({"keep": "best", "by": "score"}, [1, 3]),
        ({"keep": "best", "by": "nothing"}, [0, 3]),
        ({"columns": ["text", "score"], "keep": "first"}, [0, 1, 2, 3]),
    ],
)
def test_the_row_that_stays_is_chosen(parameters, kept):
    table = pa.table(
        {
            "text": ["a b", "a b", " a  b ", "c"],
            "score": [1.0, 5.0, None, 2.0],
            "nothing": pa.nulls(4, pa.int64()),
        }
    )
    assert deduplicated(ExactDedup(normalize="whitespace", **parameters), table, size=2) == kept


@given(st.lists(st.none() | st.sampled_from(["", "a", "b", "long " * 20])), st.integers(1, 4), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_one_of_each_text_stays_regardless_of_the_partitions(texts, partitions, size):
    first = {}
    for i, text in enumerate(texts):
        first.setdefault(i if text is None else text, i)
    table = pa.table({"text": pa.array(texts, pa.string())})
    assert deduplicated(ExactDedup(), table, partitions, size) == sorted(first.values())


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"\xff", b"\xff", b"a", None]),
        pa.array([[1], [1], [], None]),
        pa.array([{"a": 1}, {"a": 1}, {"a": 2}, None]),
        pa.array(["x", "x", "y", None]).dictionary_encode(),
    ],
    ids=lambda array: str(array.type),
)
def test_columns_of_any_type_are_compared(column):
    for keep in ("first", "longest"):
        assert deduplicated(ExactDedup(columns=["c"], keep=keep), pa.table({"c": column})) == [0, 2, 3]


def test_rows_are_kept_only_when_all_compared_columns_are_null():
    table = pa.table({"a": [None, None, None, None], "b": ["x", "x", None, None]})
    assert deduplicated(ExactDedup(columns=["a", "b"]), table) == [0, 2, 3]


@pytest.mark.parametrize("parameters", [{"keep": "best"}, {"by": "score"}, {"keep": "longest", "by": "score"}])
def test_by_is_required_for_keep_best_only(parameters):
    with pytest.raises(ValidationError, match="`by` is required for `keep: best`"):
        ExactDedup(**parameters)


def test_the_required_columns_are_known():
    assert ExactDedup().inputs() == ("text",)
    assert ExactDedup(columns=["a"], keep="best", by="s").inputs() == ("a", "s")
    with pytest.raises(InvalidJob, match="did you mean `Text`"):
        ExactDedup().signatures(Batch(pa.table({"Text": ["a"]})))


@pytest.mark.parametrize("parameters", [{}, {"normalize": "casefold"}, {"keep": "best", "by": "score"}, {"keep": "longest"}])
def test_rows_of_the_existing_corpus_are_rejected_regardless_of_their_score(parameters: dict[str, Any], tmp_path: Path) -> None:
    write_parts(tmp_path / "old", [{"text": "old", "score": 0, "other": "x"}], 1)
    write_parts(tmp_path / "in", [{"text": t, "score": s} for t, s in [("old", 9), ("new", 1), ("old", 3), ("new", 2)]], 2)
    step = {"exactDedup": {"against": str(tmp_path / "old"), **parameters}}
    report = run(make_job(tmp_path / "in", tmp_path / "out", [step]), shard_bytes=1)
    expected = {"text": "new", "score": 2 if parameters.get("keep") == "best" else 1}
    assert read_manifest(tmp_path / "out") == [expected]
    assert report.progress.rows_out == 1
