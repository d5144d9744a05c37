"""Values that a user's function returns keep their value, or their column gets another type."""

from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from datajob.operators.table._exact_array import exact_array
from datajob.operators.table._rows import table_of
from tests.support.functions import batch_mapped

CHANGED = [
    (pa.int64(), [1, 0.5]),
    (pa.uint8(), [1.5]),
    (pa.int64(), [Decimal("1.9")]),
    (pa.list_(pa.int64()), [[0.5], None]),
    (pa.date32(), [datetime(2020, 1, 1, 5)]),
    (pa.struct([("a", pa.int64())]), [{"a": 1, "b": 2}]),
    (pa.list_(pa.struct([("a", pa.int64())])), [[{"a": 1, "b": [2]}]]),
    (pa.float32(), [1e300]),
    (pa.timestamp("s"), [datetime(2020, 1, 1, 5, 0, 0, 1)]),
]


@pytest.mark.parametrize(("kind", "values"), CHANGED, ids=str)
def test_a_value_that_the_previous_type_cannot_hold_changes_the_type_of_its_column(kind, values):
    table = table_of([{"x": value} for value in values], pa.schema([("x", kind)]), {})
    assert table.column("x").to_pylist() == values


@pytest.mark.parametrize(("kind", "values"), CHANGED, ids=str)
def test_a_value_that_a_declared_type_cannot_hold_fails(kind, values):
    with pytest.raises(pa.ArrowException):
        exact_array(values, kind)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.int8(), [1, None, 2.0], [1, None, 2]),
        (pa.int64(), [np.int64(2**62), None], [2**62, None]),
        (pa.float32(), [0.5, None, 1], [0.5, None, 1.0]),
        (pa.list_(pa.float32()), [np.array([0.5, 2]), [1]], [[0.5, 2.0], [1.0]]),
        (pa.struct([("a", pa.int64()), ("b", pa.string())]), [{"b": "x"}], [{"a": None, "b": "x"}]),
        (pa.map_(pa.string(), pa.int64()), [[("k", 1), ("k", 2)], None], [[("k", 1), ("k", 2)], None]),
        (pa.date32(), [datetime(2020, 1, 1), None], [date(2020, 1, 1), None]),
    ],
    ids=str,
)
def test_values_that_fit_get_the_type(kind, values, expected):
    array = exact_array(values, kind)
    assert (array.type, array.to_pylist()) == (kind, expected)


@pytest.mark.parametrize("key", [1, None, b"x"])
def test_a_row_with_a_key_that_is_not_text_is_refused(key):
    with pytest.raises(TypeError, match="which is not a string"):
        table_of([{"x": 1, key: 2}], pa.schema([("x", pa.int64())]), {})


@pytest.mark.parametrize("batch_format", ["pandas", "numpy"])
@pytest.mark.parametrize(("kind", "large"), [(pa.int64(), 2**53 + 1), (pa.int64(), -(2**63)), (pa.uint64(), 2**64 - 1)])
def test_large_integers_beside_nulls_pass_through_batch_functions(batch_format, kind, large):
    table = pa.table({"id": [1, 2, 3], "n": pa.array([large, None, 1], kind)})
    out = batch_mapped("same", table, batch_format=batch_format)
    assert out.schema == table.schema and out.to_pylist() == table.to_pylist()
