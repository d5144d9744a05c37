"""Batches of functions: a function that changes nothing changes no value and no type, whatever the format."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from datajob.operators.table._frames import from_any, to_format

NAN = float("nan")
COLUMNS = {
    "f": pa.array([1.5, NAN, None, float("-inf")]),
    "f32": pa.array([0.1, None, NAN, -0.0], pa.float32()),
    "f16": pa.array([0.5, None, NAN, 2], pa.float16()),
    "i": pa.array([1, None, 3, 4]),
    "i8": pa.array([1, None, -3, 4], pa.int8()),
    "large": pa.array([2**53 + 1, None, -(2**63), 4]),
    "u": pa.array([2**64 - 1, None, 1, 2], pa.uint64()),
    "b": pa.array([True, None, False, True]),
    "s": pa.array(["a", None, "", "\U0001f600\u0301\0"]),
    "bin": pa.array([b"\0", None, b"", b"a"]),
    "d": pa.array([date(2024, 1, 1), None, date(1, 1, 1), date(9999, 1, 1)]),
    "ts": pa.array([datetime(1, 1, 1), None, datetime(9999, 1, 1), datetime(2024, 1, 1)], pa.timestamp("us")),
    "ns": pa.array([1, None, 2**62, -1], pa.timestamp("ns")),
    "tz": pa.array([0, None, 1, 2], pa.timestamp("us", "Europe/Berlin")),
    "time": pa.array([1, None, 2, 3], pa.time64("us")),
    "duration": pa.array([1, None, -2, 3], pa.duration("us")),
    "decimal": pa.array([Decimal("1.50"), None, Decimal("-0.01"), Decimal("9" * 36 + ".99")], pa.decimal128(38, 2)),
    "list": pa.array([[1], None, [], [None]]),
    "large_list": pa.array([[2**53 + 1, None], None, [], [1]]),
    "floats": pa.array([[1.5, None], None, [NAN], []]),
    "lists": pa.array([[[1]], [], None, [[None]]]),
    "struct": pa.array([{"a": 1, "b": None}, None, {"a": None, "b": "x"}, {"a": 2, "b": "y"}]),
    "structs": pa.array([[{"a": 1}], None, [], [None]]),
    "map": pa.array([[("a", 1)], None, [], [("b", None), ("b", 2)]], pa.map_(pa.string(), pa.int64())),
    "dictionary": pa.array(["x", None, "y", "x"]),
    "json": pa.array(['{"a": 1.10}', None, "null", '"x"']).cast(pa.json_()),
    "null": pa.nulls(4, pa.string()),
}


@pytest.mark.parametrize("rows", [slice(0, 4), slice(0, 1), slice(1, 2), slice(2, 4)], ids=str)
@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("batch_format", ["pandas", "numpy", "polars", "pyarrow"])
def test_a_function_that_changes_nothing_changes_no_value_and_no_type(batch_format: Any, name: str, rows: slice) -> None:
    table = pa.table({name: COLUMNS[name][rows]})
    found = from_any(to_format(table, batch_format), table.schema, {})
    assert repr(found.column(0).to_pylist()) == repr(table.column(0).to_pylist())
    assert found.schema == table.schema


def test_nulls_of_numbers_are_not_nan_in_pandas_and_numpy() -> None:
    table = pa.table({"i": [1, None], "f": [NAN, None], "b": [True, None], "x": [1.0, 2.0]})
    frame = to_format(table, "pandas")
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "Float64", "boolean", "float64"]
    assert (frame["i"] * 2).tolist() == [2, pd.NA]
    arrays = to_format(table, "numpy")
    assert (arrays["i"] * 2).tolist() == [2, None] and arrays["i"].dtype == np.int64
    assert type(arrays["x"]) is np.ndarray


def test_nan_in_a_new_column_is_null_in_pandas_only() -> None:
    before = pa.schema([("x", pa.float64())])
    values = np.array([NAN, 1.0])
    assert from_any(pd.DataFrame({"new": values, "x": values}), before, {}).to_pydict()["new"] == [None, 1.0]
    assert repr(from_any(pd.DataFrame({"x": values}), before, {}).to_pydict()["x"]) == "[nan, 1.0]"
    assert repr(from_any({"new": values}, before, {}).to_pydict()["new"]) == "[nan, 1.0]"
    assert from_any({"n": np.ma.MaskedArray([1, 2], [False, True])}, before, {}).to_pydict() == {"n": [1, None]}


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"x": [1, "a"]}, r"column `x` of the result cannot be converted: the values are of different types: integer, text"),
        ({"x": [object()]}, "column `x` of the result cannot be converted"),
        (pd.DataFrame({"x": [1, b"a"]}), "bytes, integer"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns of one name"),
        ({"x": [{1: 2}]}, "column `x`"),
        (None, "the function returned None"),
    ],
)
def test_the_error_about_a_result_names_the_column(result: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        from_any(result, pa.schema([]), {})
