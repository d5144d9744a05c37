"""mapBatches calls a function on batches, in its format."""

import pyarrow as pa
import pytest

from tests.support.functions import TYPES, batch_mapped


@pytest.mark.parametrize("batch_format", ["pandas", "pyarrow", "polars"])
def test_columns_that_a_batch_function_does_not_change_keep_their_type(batch_format):
    table = pa.table(TYPES)
    out = batch_mapped("same", table, batch_format=batch_format)
    assert out.to_pylist() == table.to_pylist()
    assert out.schema == table.schema


def test_numpy_gets_numbers_and_strings():
    table = pa.table({"id": [1, 2], "n": [1, None], "s": ["a", None], "x": [0.5, 1.5]})
    out = batch_mapped("same", table, batch_format="numpy")
    assert out.to_pylist() == table.to_pylist()
    assert out.schema == table.schema


@pytest.mark.parametrize(
    ("name", "batch_format", "expected"),
    [
        ("pandas_upper", "pandas", {"id": [1, 3], "text": ["A B", "DD"]}),
        ("polars_length", "polars", {"id": [1, 2, 3], "text": ["a b", "c", "dd"], "length": [3, 1, 2]}),
        ("arrow_reverse", "pyarrow", {"id": [3, 2, 1], "text": ["dd", "c", "a b"]}),
        (
            "numpy_double",
            "numpy",
            {"id": [1, 2, 3], "text": ["a b", "c", "dd"], "n": [2, 4, 6], "pairs": [[1, 1], [2, 2], [3, 3]]},
        ),
    ],
)
def test_a_batch_function_works_in_its_format(name, batch_format, expected):
    out = batch_mapped(name, batch_format=batch_format)
    assert out.to_pydict() == expected
    assert out.schema.field("text").type == pa.string()


def test_batches_do_not_exceed_the_requested_size():
    assert batch_mapped("batch_sizes", batch_format="pyarrow", batch_size=2).to_pydict() == {"size": [2, -1, 1, -1]}
    assert batch_mapped("batch_sizes", batch_format="pyarrow").to_pydict() == {"size": [3, -1]}
