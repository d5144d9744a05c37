"""pack puts token lists into sequences of a fixed length, without losing or changing a token."""

import random

import numpy as np
import pyarrow as pa
import pytest

from datajob.errors import InputError
from datajob.operators.base import Batch
from datajob.operators.table import _packing
from datajob.operators.table.pack import Pack
from tests.support.exchange import repartitioned
from tests.support.local_jobs import make_job, run, write_parts


def table_of(lists, masks=None) -> pa.Table:
    table = pa.table({"input_ids": pa.array(lists, pa.list_(pa.int32())), "n": range(len(lists))})
    return table if masks is None else table.append_column("mask", pa.array(masks, pa.list_(pa.int8())))


def packed(step: Pack, table: pa.Table, partitions: int = 1, size: int = 1000) -> list[dict]:
    return [row for part in repartitioned(step, table, partitions=partitions, size=size) for row in part.to_pylist()]


def pieces(rows: list[dict], column: str = "input_ids") -> list[list[int]]:
    """The rows that sequences consist of."""
    found = []
    for row in rows:
        assert sum(row["lengths"]) == len(row[column])
        ends = np.cumsum(row["lengths"])
        found += [row[column][end - size : end] for end, size in zip(ends, row["lengths"], strict=True)]
    return found


def test_best_fit_fills_the_smallest_sufficient_space():
    rows = packed(Pack(length=10), table_of([[1] * 6, [2] * 4, [3] * 7, [4] * 3, [5] * 2]))
    assert [row["lengths"] for row in rows] == [[6, 4], [7, 3], [2]]
    assert [row["input_ids"] for row in rows] == [[1] * 6 + [2] * 4, [3] * 7 + [4] * 3, [5] * 2]


def test_concat_cuts_rows_at_the_length():
    rows = packed(Pack(length=4, mode="concat"), table_of([[1, 2, 3], [4, 5, 6], [], None, [7, 8], [9]]))
    assert [row["input_ids"] for row in rows] == [[1, 2, 3, 4], [5, 6, 7, 8], [9]]
    assert [row["lengths"] for row in rows] == [[3, 1], [2, 2], [1]]


@pytest.mark.parametrize("mode", ["bestFit", "concat"])
@pytest.mark.parametrize("long", ["split", "truncate"])
@pytest.mark.parametrize("seed", range(5))
def test_no_token_is_lost_or_invented_in_random_rows(mode, long, seed, monkeypatch):
    monkeypatch.setattr(_packing, "TABLE_TOKENS", 50)
    rng, length = random.Random(seed), 16
    lists = [[rng.randrange(1000) for _ in range(rng.choice([0, 1, 5, 16, 17, 40]))] for _ in range(60)]
    masks = [[token % 2 for token in tokens] for tokens in lists]
    step = Pack(length=length, mode=mode, long=long, loss_mask="mask")
    rows = packed(step, table_of(lists, masks), partitions=3, size=7)
    assert all(0 < len(row["input_ids"]) <= length for row in rows)
    assert all([t % 2 for t in row["input_ids"]] == row["mask"] for row in rows)
    kept = [tokens[:length] if long == "truncate" and mode == "bestFit" else tokens for tokens in lists]
    assert sorted(t for row in rows for t in row["input_ids"]) == sorted(t for tokens in kept for t in tokens)
    if mode == "bestFit":
        cut = [tokens[at : at + length] for tokens in kept for at in range(0, len(tokens), length)]
        assert sorted(pieces(rows)) == sorted(cut)
    else:
        assert sum(len(row["input_ids"]) < length for row in rows) <= 3


def test_best_fit_decreasing_equals_its_definition():
    rng = np.random.default_rng(3)
    sizes, length = rng.integers(1, 65, 500), 64
    spaces: list[int] = []
    for size in sorted(sizes.tolist(), reverse=True):
        fitting = [i for i, space in enumerate(spaces) if space >= size]
        if fitting:
            spaces[min(fitting, key=lambda i: spaces[i])] -= size
        else:
            spaces.append(length - size)
    bins = _packing.assigned(sizes, length)
    found = length - np.bincount(bins, weights=sizes)
    assert sorted(found.tolist()) == sorted(spaces)
    assert np.unique(bins, return_index=True)[1].tolist() == sorted(np.unique(bins, return_index=True)[1])


@pytest.mark.parametrize(
    ("tokens", "mask", "reason"),
    [
        ([1] * 11, [1] * 11, "tooLong: the row has 11 tokens, and `length` is 10"),
        ([1, 2], [1], "differentLengths: 2 tokens, but 1 values in `mask`"),
        ([1, None], [1, 1], "nullToken: `input_ids` contains null"),
        ([1, 2], None, "differentLengths: 2 tokens, but 0 values in `mask`"),
    ],
)
def test_a_row_that_cannot_be_packed_exactly_fails(tokens, mask, reason):
    batch = Batch(table_of([[5], tokens], [[1], mask]))
    prepared = Pack(length=10, loss_mask="mask").prepare(batch, 0)
    assert batch.failures == {1: reason}
    assert prepared.column("input_ids").to_pylist() == [[5]]


def test_a_column_of_other_values_is_refused():
    with pytest.raises(InputError, match="lists of integers"):
        Pack(length=10).prepare(Batch(pa.table({"input_ids": ["text"]})), 0)


def test_a_job_packs_tokens_and_counts_every_row(tmp_path):
    write_parts(tmp_path / "in", [{"input_ids": [1, 2, 3]}, {"input_ids": [4]}, {"input_ids": [5] * 17}], 1)
    job = make_job(tmp_path / "in", tmp_path / "out", [{"pack": {"length": 16}}], errors={"policy": "drop"})
    report = run(job)
    assert (report.progress.rows_in, report.progress.rows_failed, report.progress.rows_out) == (3, 1, 1)
