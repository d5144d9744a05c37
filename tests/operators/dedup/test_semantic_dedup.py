"""semanticDedup: rows near an earlier one, by comparing all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.errors import DataJobError
from datajob.operators.dedup._hyperplanes import hyperplanes, tables_for
from tests.support.local_jobs import make_job, read_manifest, run


def planted_vectors(count: int, dimensions: int) -> Any:
    """Random vectors of random length; every third is an earlier one with noise, so that cosines spread over 0.8 to 1."""
    draw = np.random.default_rng(4)
    vectors = draw.standard_normal((count, dimensions)).astype(np.float32)
    for i in range(3, count, 3):
        noise = draw.standard_normal(dimensions) * draw.random() * 0.7
        vectors[i] = (vectors[draw.integers(i)] + noise) * draw.uniform(0.1, 10)
    return vectors


def write(folder: Path, embeddings: Any, kind: pa.DataType, files: int = 3) -> None:
    folder.mkdir(parents=True)
    ids = np.array_split(np.arange(len(embeddings)), files)
    for number, some in enumerate(ids):
        array = pa.array([embeddings[i] for i in some], kind)
        pq.write_table(pa.table({"id": some, "embedding": array}), folder / f"{number:03}.parquet")


def kept(folder: Path, shard_bytes: int = 1, **parameters: Any) -> list[int]:
    run(make_job(folder / "in", folder / "out", [{"semanticDedup": parameters}]), shard_bytes=shard_bytes)
    return [row["id"] for row in read_manifest(folder / "out")]


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.list_(pa.float32(), 32)], ids=str)
def test_rows_near_an_earlier_one_are_rejected(kind: pa.DataType, tmp_path: Path) -> None:
    vectors = planted_vectors(600, 32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = np.tril(unit @ unit.T >= 0.9, -1).any(axis=1)
    write(tmp_path / "in", vectors.tolist(), kind)
    rejected = np.ones(600, bool)
    rejected[kept(tmp_path, threshold=0.9)] = False
    assert near.sum() > 50
    assert not (rejected & ~near).any()
    assert rejected[near].mean() >= 0.98


def test_shards_do_not_change_the_result(tmp_path: Path) -> None:
    vectors = planted_vectors(300, 8).tolist()
    found = []
    for number, (files, shard_bytes) in enumerate([(1, 10**9), (7, 1), (30, 2000)]):
        write(tmp_path / str(number) / "in", vectors, pa.list_(pa.float32()), files)
        found.append(kept(tmp_path / str(number), shard_bytes))
    assert found[0] == found[1] == found[2]


def test_rows_without_an_embedding_are_kept(tmp_path: Path) -> None:
    rows = [None, None, [], [0.0, 0.0], [0.0, 0.0], [1.0, None], [1.0, float("nan")], [1.0, 2.0], [2.0, 4.0], [-1.0, -2.0]]
    write(tmp_path / "in", rows, pa.list_(pa.float32()))
    assert kept(tmp_path) == [0, 1, 2, 3, 4, 5, 6, 7, 9]


def test_rows_of_an_existing_corpus_count_as_earlier(tmp_path: Path) -> None:
    write(tmp_path / "old", [[1.0, 2.0], [3.0, 1.0]], pa.list_(pa.float32()), 1)
    write(tmp_path / "in", [[2.0, 4.0], [1.0, -1.0]], pa.list_(pa.float32()), 1)
    assert kept(tmp_path, against=str(tmp_path / "old")) == [1]


@pytest.mark.parametrize(
    ("rows", "kind", "complaint"),
    [
        ([[1.0, 2.0], [1.0]], pa.list_(pa.float32()), "embeddings of 1 and of 2 numbers"),
        (["text"], pa.string(), "lists of numbers"),
    ],
)
def test_a_value_that_is_not_an_embedding_is_rejected(rows: Any, kind: pa.DataType, complaint: str, tmp_path: Path) -> None:
    write(tmp_path / "in", rows, kind, 1)
    with pytest.raises(DataJobError, match=complaint):
        kept(tmp_path)


def test_hyperplanes_are_evenly_distributed_and_enough_of_them() -> None:
    normals = hyperplanes(64, 500, seed=1)
    assert abs(normals.mean()) < 0.02
    assert abs(normals.std() - 1) < 0.02
    assert [tables_for(t, 16) for t in (0.95, 1.0)] == [20, 1]
