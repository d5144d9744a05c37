"""N-grams and their comparison against slow versions of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.base import Batch
from datajob.operators.dedup.minhash_dedup import MinhashDedup
from tests.support import reference_dedup
from tests.support.texts import texts


def evidence(operator: MinhashDedup, rows: Sequence[str | None]) -> Any:
    """The n-gram hashes of texts."""
    found = operator.evidence(Batch(pa.table({"text": pa.array(rows, pa.string())})))
    return found.column("ngrams").to_pylist()


@pytest.mark.parametrize("kind", ["words", "characters"])
@pytest.mark.parametrize("tokenizer", ["unicode", "whitespace"])
@pytest.mark.parametrize("normalize", ["none", "casefold", "letters"])
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(texts, min_size=1, max_size=6), size=st.integers(1, 7))
def test_ngrams_are_those_of_plain_python(normalize: str, tokenizer: str, kind: str, rows: list[str], size: int) -> None:
    operator = MinhashDedup.model_validate(
        {"normalize": normalize, "tokenizer": tokenizer, "ngram": {"kind": kind, "size": size}}
    )
    expected = [
        reference_dedup.ngrams(reference_dedup.words(text, normalize, tokenizer, kind == "characters"), size) for text in rows
    ]
    found = evidence(operator, rows)
    assert [len(s) for s in found] == [len(s) for s in expected]
    assert all(s == sorted(set(s)) for s in found)
    for (a, b), (x, y) in zip(pairwise(found), pairwise(expected), strict=True):
        assert len(set(a) & set(b)) == len(x & y)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("The quick, brown fox!", "the QUICK brown fox", True),
        ("ＡＢＣ　１２３", "abc 123", True),
        ("soft\u00adhyphen", "softhyphen", True),
        ("don't", "don t", True),
        ("3.14", "3.15", False),
        ("cafe", "café", False),
        ("中文，文本", "中文 文本", True),
        ("中文文本", "中文", False),
    ],
)
def test_differences_of_marks_case_and_width_do_not_count(left: str, right: str, same: bool) -> None:
    a, b = evidence(MinhashDedup(), [left, right])
    assert (a == b) is same


@settings(max_examples=200, deadline=None)
@given(
    groups=st.lists(st.lists(st.sets(st.integers(0, 12), min_size=1), min_size=1, max_size=8), max_size=4),
    threshold=st.sampled_from([0.1, 0.5, 0.75, 0.8, 1.0]),
)
def test_a_set_repeats_an_earlier_similar_one_of_its_group(groups: list[list[set[int]]], threshold: float) -> None:
    sets = [sorted(s) for g in groups for s in g]
    table = pa.table(
        {
            "ngrams": pa.array(sets, pa.large_list(pa.uint32())),
            "row": pa.array(range(len(sets)), pa.int64()),
            "key": pa.array([number for number, g in enumerate(groups) for _ in g], pa.int64()),
        }
    )
    found = MinhashDedup(threshold=threshold).confirm(table).to_pylist()
    start, expected = 0, set()
    for group in groups:
        for i, later in enumerate(group):
            if any(len(e & later) / len(e | later) >= threshold for e in group[:i]):
                expected.add(start + i)
        start += len(group)
    assert {f["row"] for f in found} == expected
    for f in found:
        a, b = set(sets[f["kept"]]), set(sets[f["row"]])
        assert f["kept"] < f["row"]
        assert len(a & b) / len(a | b) >= threshold


def test_minhash_is_the_smallest_value_of_each_permutation() -> None:
    from datajob.operators.dedup._bands import permutations

    rows = ["one two three four five six seven", "a b", "同じ文章です", "x" * 5000]
    operator = MinhashDedup(bands=1000, rows=1)
    keys = operator.signatures(Batch(pa.table({"text": rows}))).column("key").to_numpy().reshape(len(rows), -1)
    masks, multipliers = permutations(operator.seed, 1000)
    smallest = np.array([((np.array(s, np.uint32)[:, None] ^ masks) * multipliers).min(0) for s in evidence(operator, rows)])
    agree = keys[:, None] == keys[None]
    assert (agree == (smallest[:, None] == smallest[None])).all()
