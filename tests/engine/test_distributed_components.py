"""Components computed over partitions, compared with those of a single process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from benchmarks.planted import planted_documents
from datajob.engine.dedup import stages
from datajob.engine.dedup.distributed_components import finish, large_star, small_star
from datajob.engine.exchange.row_ids import RowFiles
from tests.engine.test_union_find import Edges, edge_lists, slow
from tests.support.local_jobs import make_job, read_manifest, run, write_parts


def sorted_edges(edges: Edges) -> Any:
    both = sorted({(a, b) for a, b in edges} | {(b, a) for a, b in edges})
    return np.array(both, np.int64).reshape(-1, 2).T


@settings(deadline=None)
@given(edges=edge_lists)
def test_alternating_operations_end_in_stars_around_the_smallest_row(edges: Edges) -> None:
    row, other = sorted_edges(edges)
    rounds, changes = 0, 1
    while changes:
        row, other, large = large_star(row, other)
        row, other, small = small_star(row, other)
        changes, rounds = large + small, rounds + 1
        assert rounds < 20
    row, first, _ = finish(row, other)
    assert dict(zip(row.tolist(), first.tolist(), strict=True)) == slow(edges)


def test_the_number_of_operations_grows_with_the_logarithm_of_a_chain() -> None:
    numbers = np.random.default_rng(0).permutation(20_000).tolist()
    row, other = sorted_edges(list(zip(numbers[1:], numbers[:-1], strict=True)))
    for rounds in range(1, 30):  # noqa: B007 - read below
        row, other, large = large_star(row, other)
        row, other, small = small_star(row, other)
        if large + small == 0:
            break
    assert set(finish(row, other)[1].tolist()) == {0}
    assert rounds <= 15


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize(
    "step", [{"minhashDedup": {}}, {"minhashDedup": {"verify": False}}, {"substringDedup": {"words": 9}}], ids=str
)
def test_more_edges_than_the_driver_holds_give_the_same_rows(
    step: dict[str, Any], partitions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = planted_documents(300, seed=11)
    write_parts(tmp_path / "in", [{"id": i, "text": text} for i, text in enumerate(texts[100:])], 7)
    write_parts(tmp_path / "old", [{"text": text} for text in texts[:100]], 3)
    [[key, parameters]] = step.items()
    step = {key: {**parameters, "against": str(tmp_path / "old")}}
    monkeypatch.setattr("datajob.engine.stage.Context.partitions", lambda self, operator: partitions)
    found = []
    for most in (stages.DRIVER_EDGES, 0):
        monkeypatch.setattr(stages, "DRIVER_EDGES", most)
        run(make_job(tmp_path / "in", tmp_path / f"out{most}", [step]), shard_bytes=1)
        found.append(read_manifest(tmp_path / f"out{most}"))
    assert found[0] == found[1]
    assert len(found[0]) < len(texts)


@pytest.mark.parametrize("partitions", [2, 5])
@pytest.mark.parametrize("step", [{"exactDedup": {}}, {"minhashDedup": {}}, {"lineDedup": {}}], ids=str)
def test_repeats_merged_by_range_of_shards_give_the_same_rows(
    step: dict[str, Any], partitions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = planted_documents(200, seed=12)
    write_parts(tmp_path / "in", [{"id": i, "text": text} for i, text in enumerate([*texts, *texts[:40]])], 9)
    monkeypatch.setattr("datajob.engine.stage.Context.partitions", lambda self, operator: partitions)
    opened: list[tuple[str, ...]] = []
    read = RowFiles.between
    monkeypatch.setattr(RowFiles, "between", lambda self, a, b, names: (opened.append(names), read(self, a, b, names))[1])
    found = []
    for most in (stages.MAX_OPENED, 0):
        opened.clear()
        monkeypatch.setattr(stages, "MAX_OPENED", most)
        run(make_job(tmp_path / "in", tmp_path / f"out{most}", [step]), shard_bytes=1)
        found.append(read_manifest(tmp_path / f"out{most}"))
    assert found[0] == found[1]
    assert len(found[0]) < 240
    assert [len(names) for names in opened[-9:]] == [1] * 9
