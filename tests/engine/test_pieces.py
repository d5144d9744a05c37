"""How many rows go to a model process at a time, and how many shards are open."""

import pyarrow as pa
import pytest

from datajob.engine.worker import intake, model_calls
from datajob.engine.worker.model_calls import MIN_PIECE_ROWS, PIECE_ROWS, piece_rows


@pytest.mark.parametrize(
    ("seconds", "rows"), [(0.0, PIECE_ROWS), (0.0001, PIECE_ROWS), (0.02, 25), (0.1, MIN_PIECE_ROWS), (60.0, MIN_PIECE_ROWS)]
)
def test_a_piece_takes_half_a_second_within_limits(seconds: float, rows: int) -> None:
    assert piece_rows(seconds) == rows


@pytest.mark.parametrize(
    ("rows", "limit", "sizes"), [(0, 16, [0]), (1, 16, [1]), (16, 16, [16]), (17, 16, [9, 8]), (33, 16, [11, 11, 11])]
)
def test_pieces_of_a_table_have_similar_sizes(rows: int, limit: int, sizes: list[int]) -> None:
    table = pa.table({"id": range(rows)})
    pieces = list(model_calls._cut(table, limit))
    assert [piece.num_rows for piece in pieces] == sizes
    assert pa.concat_tables(pieces).equals(table)


def test_a_table_of_large_rows_is_cut_by_bytes() -> None:
    table = pa.table({"data": [bytes(model_calls.PIECE_BYTES // 2)] * 5})
    assert [piece.num_rows for piece in model_calls._cut(table, PIECE_ROWS)] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(("size", "chunks"), [(10, 1), (4 * intake.COPIED_BYTES, 3)], ids=["small", "large"])
def test_small_tables_become_one_chunk(size: int, chunks: int) -> None:
    tables = [pa.table({"data": [bytes(size)], "id": [number]}) for number in range(3)]
    (merged,) = intake.merge_small(iter(tables), 16 * 4 * intake.COPIED_BYTES)
    assert merged.equals(pa.concat_tables(tables))
    assert merged.column("data").num_chunks == chunks


def test_small_tables_of_a_type_that_arrow_cannot_join_keep_their_chunks() -> None:
    union = pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])])
    tables = [pa.table({"value": union})] * 2
    (merged,) = intake.merge_small(iter(tables), 1 << 20)
    assert merged.column("value").to_pylist() == [1, 1]
