"""simhashDedup: the hash against plain Python, and all pairs within the distance."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.planted import planted_documents
from datajob.operators.base import Batch
from datajob.operators.dedup.simhash_dedup import SimhashDedup
from tests.support.local_jobs import make_job, read_manifest, run, write_parts
from tests.support.texts import texts

MASK = 2**64 - 1
MIX = 0x9E3779B97F4A7C15


def hashes(operator: SimhashDedup, rows: list[str]) -> dict[int, int]:
    """The SimHash of each row that has one."""
    found = operator.signatures(Batch(pa.table({"text": pa.array(rows, pa.string())})))
    numbers: list[list[int]] = [found.column(name).to_numpy().tolist() for name in ("row", "hash")]
    return dict(zip(*numbers, strict=True))


def slow_simhash(shingles: Any) -> int:
    def spread(x: int) -> int:
        h = (x + MIX) * MIX & MASK
        h = (h ^ h >> 32) * MIX & MASK
        return h ^ h >> 32

    mixed = [spread(int(x)) for x in shingles]
    return sum(1 << bit for bit in range(64) if 2 * sum(h >> bit & 1 for h in mixed) > len(mixed))


def without_repeated_characters(text: str) -> str:
    """Sets of n-grams do not count repeated ones, and a word of ideographs can repeat one."""
    return "".join(c for i, c in enumerate(text) if c.isspace() or c not in text[:i])


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(texts, min_size=1, max_size=4))
@example(rows=["中文\u200b中文\u200b中文\u200b中文\u200b"])
def test_each_bit_is_that_of_most_ngrams(rows: list[str]) -> None:
    from datajob.operators.dedup._shingles import folding
    from datajob.operators.kernels.shingles import shingle_sets
    from datajob.operators.strings.column import text_of

    operator = SimhashDedup()
    rows = [" ".join(f"{word}{i}" for i, word in enumerate(without_repeated_characters(text).split())) for text in rows]
    batch = Batch(pa.table({"text": pa.array(rows, pa.string())}))
    text = text_of(batch, "text")
    bounds, sets = np.empty(len(rows) + 1, np.int64), np.empty(len(text.data) + 1, np.uint32)
    shingle_sets(text, folding("letters", "unicode"), 6, False, bounds, sets)
    shingles = [sets[a:b] for a, b in pairwise(bounds)]
    found = hashes(operator, rows)
    assert sorted(found) == [i for i, s in enumerate(shingles) if len(s)]
    assert all(found[i] == slow_simhash(shingles[i]) for i in found)


@pytest.mark.parametrize(("distance", "blocks"), [(0, 1), (3, 4), (3, 6), (4, 6), (7, 9)])
@pytest.mark.parametrize("shard_bytes", [5_000, 10**9])
def test_all_rows_near_an_earlier_one_are_rejected(distance: int, blocks: int, shard_bytes: int, tmp_path: Path) -> None:
    rows = planted_documents(300, seed=3)
    every = hashes(SimhashDedup(), rows)
    near = [any((every[i] ^ every[j]).bit_count() <= distance for j in range(i)) for i in range(len(rows))]
    assert distance == 0 or any(near)
    write_parts(tmp_path / "in", [{"id": i, "text": text} for i, text in enumerate(rows)], 7)
    step = {"simhashDedup": {"distance": distance, "blocks": blocks}}
    run(make_job(tmp_path / "in", tmp_path / "out", [step]), shard_bytes=shard_bytes)
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == [i for i, drop in enumerate(near) if not drop]


def test_texts_without_words_are_kept_and_an_existing_corpus_counts(tmp_path: Path) -> None:
    write_parts(tmp_path / "old", [{"text": "words of an older text that are long enough"}], 1)
    rows = [None, None, "", "!", "Words of an older text, that are long enough.", "something else altogether, nothing like it"]
    write_parts(tmp_path / "in", [{"id": i, "text": text} for i, text in enumerate(rows)], 1)
    run(make_job(tmp_path / "in", tmp_path / "out", [{"simhashDedup": {"against": str(tmp_path / "old")}}]))
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == [0, 1, 2, 3, 5]


def test_more_blocks_than_distance_are_needed() -> None:
    with pytest.raises(ValueError, match="must be greater than `distance`"):
        SimhashDedup(distance=6)
