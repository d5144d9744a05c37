"""minhashDedup: what it finds, and that nothing but the rows decides it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.planted import planted_documents, similar_pairs
from datajob.engine.pipeline import Context
from datajob.operators.dedup._bands import chance, divide
from datajob.operators.dedup.minhash_dedup import MinhashDedup
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts


def as_rows(texts: Sequence[str | None]) -> Rows:
    return [{"id": i, "text": text} for i, text in enumerate(texts)]


def kept(tmp_path: Path, given: Rows, parts: int = 5, shard_bytes: int = 10_000, **parameters: Any) -> list[int]:
    """Ids of the rows that minhashDedup leaves."""
    write_parts(tmp_path / "in", given, parts)
    run(make_job(tmp_path / "in", tmp_path / "out", [{"minhashDedup": parameters}]), shard_bytes=shard_bytes)
    return [row["id"] for row in read_manifest(tmp_path / "out")]


PLANTED = planted_documents(2000, seed=7)
PAIRS = similar_pairs(PLANTED, 0.8)


def test_near_duplicates_are_found_and_nothing_else(tmp_path: Path) -> None:
    rejected = set(range(len(PLANTED))) - set(kept(tmp_path, as_rows(PLANTED)))
    expected = {later for _, later in PAIRS}
    assert len(expected) > 200
    assert len(rejected & expected) / len(expected) >= 0.98
    assert len(rejected & expected) / len(rejected) >= 0.98


@pytest.mark.parametrize(("parts", "shard_bytes", "partitions"), [(1, 10**9, 1), (7, 20_000, 3), (40, 5_000, 16)])
@pytest.mark.parametrize("parameters", [{}, {"verify": False}, {"ngram": {"kind": "characters", "size": 12}, "threshold": 0.6}])
def test_shards_and_partitions_do_not_change_the_result(
    parameters: dict[str, Any], parts: int, shard_bytes: int, partitions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = as_rows(PLANTED[:600])
    monkeypatch.setattr(Context, "partitions", lambda self, operator: partitions)
    found = kept(tmp_path / "cut", rows, parts, shard_bytes, **parameters)
    monkeypatch.undo()
    assert found == kept(tmp_path / "plain", rows, **parameters)
    assert len(found) < len(rows)


LONG = " ".join(f"word{i}" for i in range(100))


@pytest.mark.parametrize(
    ("texts", "left"),
    [
        ([LONG, "other " + LONG, LONG + " more", "nothing like it at all, not in the least"], [0, 3]),
        ([None, None, "", "", "  ", " \n ", "!!!", "!!!"], list(range(8))),
        (["short text", "Short  text.", "short", "short text here"], [0, 2, 3]),
        (["好" * 3 + "的文章", "好" * 3 + "的文章。", "别的文章"], [0, 2]),
        ([LONG[:300], LONG], [0, 1]),
    ],
)
def test_a_document_is_rejected_if_an_earlier_one_is_similar(texts: list[str | None], left: list[int], tmp_path: Path) -> None:
    assert kept(tmp_path, as_rows(texts)) == left


def test_without_verify_the_first_of_each_component_stays(tmp_path: Path) -> None:
    texts = [" ".join(f"w{i}" for i in range(start, start + 200)) for start in range(0, 100, 4)]
    assert kept(tmp_path, as_rows(texts), verify=False, bands=100, rows=2) == [0]


@pytest.mark.parametrize("verify", [True, False])
def test_rows_of_an_existing_corpus_count_as_earlier_and_do_not_appear(verify: bool, tmp_path: Path) -> None:
    write_parts(tmp_path / "old", [{"text": LONG, "other": 1}, {"text": "an old text of its own", "other": 2}], 2)
    texts: list[str | None] = ["new text that nobody wrote before", LONG + " end", "an old text of its own", "new"]
    assert kept(tmp_path, as_rows(texts), against=str(tmp_path / "old"), verify=verify) == [0, 3]


@pytest.mark.parametrize(
    ("permutations", "threshold", "expected"), [(112, 0.8, (18, 6)), (128, 0.5, (42, 3)), (1, 0.9, (1, 1)), (64, 1.0, (1, 64))]
)
def test_bands_and_rows_follow_from_the_threshold(permutations: int, threshold: float, expected: tuple[int, int]) -> None:
    assert divide(permutations, threshold) == expected
    assert MinhashDedup(permutations=permutations, threshold=threshold).banding() == expected
    if permutations > 1:
        assert chance(threshold, *expected) >= 0.98


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"bands": 3}, "must be set together"),
        ({"bands": 1024, "rows": 5}, "the maximum is 4096"),
        ({"threshold": 0.0}, "greater than 0"),
    ],
)
def test_invalid_parameters_are_rejected(parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        MinhashDedup.model_validate(parameters)
