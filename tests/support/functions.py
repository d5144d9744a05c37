"""Calls of the functions in `table_functions` by the steps that take one."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from datajob.operators.base import Batch
from datajob.operators.table.flat_map import FlatMap
from datajob.operators.table.map import Map
from datajob.operators.table.map_batches import MapBatches

HERE = "tests.support.table_functions"
ROWS = pa.table({"id": [1, 2, 3], "text": ["a b", "c", "dd"]})
TYPES = {
    "i": pa.array([1, None], pa.int16()),
    "f": pa.array([1.5, None], pa.float32()),
    "s": pa.array(["a", None], pa.large_string()),
    "b": pa.array([b"a", None], pa.binary()),
    "d": pa.array([date(2020, 1, 1), None]),
    "t": pa.array([datetime(2020, 1, 1, tzinfo=UTC), None], pa.timestamp("ms", "UTC")),
    "m": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
    "l": pa.array([["a", None], None], pa.list_(pa.string())),
    "r": pa.array([{"a": 1, "b": "x"}, None], pa.struct([("a", pa.int8()), ("b", pa.string())])),
    "z": pa.array([True, None]),
    "nothing": pa.nulls(2, pa.int64()),
}


def mapped(name: str, table: pa.Table = ROWS, **parameters: Any) -> pa.Table:
    """The rows after the step with this function."""
    return Map(function=f"{HERE}:{name}", **parameters).apply(Batch(table))


def flat_mapped(name: str, table: pa.Table = ROWS, **parameters: Any) -> pa.Table:
    """The rows after the step with this function."""
    return FlatMap(function=f"{HERE}:{name}", **parameters).expand(Batch(table))


def batch_mapped(name: str, table: pa.Table = ROWS, **parameters: Any) -> pa.Table:
    """The rows after the step with this function."""
    return MapBatches(function=f"{HERE}:{name}", **parameters).expand(Batch(table))
