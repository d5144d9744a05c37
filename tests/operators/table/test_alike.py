"""Values of different types that a function returns never become values of one type in silence."""

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from datajob.operators.table._exact_array import inferred_array, previous_array
from tests.support.local_jobs import make_job, read_manifest, run, write_parts

NAIVE, AWARE = datetime(2024, 1, 1, 5), datetime(2024, 1, 1, 5, tzinfo=UTC)
VALUES = [
    1, 2**53 + 1, 2**63 - 1, 0.5, True, "a", b"b", bytearray(b"x"), Decimal("1.1"), date(2024, 1, 1), NAIVE, AWARE,
    time(1, 2, 3, 4), timedelta(microseconds=1), pd.Timestamp(1000), pd.Timedelta(1000), np.float32(0.1), np.int64(2**53 + 1),
    np.uint64(2**64 - 1), np.float16(0.1), np.bool_(True), np.str_("a"), uuid.UUID(int=1), [1, 0.5], [NAIVE], {"a": 1},
    {"a": AWARE}, [], {}, [["a"]], [[b"a"]],
]  # fmt: skip


def same(found: Any, given: Any) -> bool:
    """Whether a value is the same, and of the same kind."""
    if isinstance(given, dict):
        return all(same(found[key], item) for key, item in given.items())
    return bool(found == given)


def test_two_values_keep_their_values_or_are_refused() -> None:
    kept = 0
    for values in map(list, permutations(VALUES, 2)):
        try:
            found = inferred_array(values).to_pylist()
        except (pa.ArrowException, TypeError, OverflowError):
            continue
        assert same(found[0], values[0]) and same(found[1], values[1]), (values, found)
        kept += 1
    assert kept > 40


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([NAIVE, AWARE], "date and time with a time zone, date and time without"),
        ([[NAIVE], [AWARE]], "with a time zone"),
        ([{"a": NAIVE}, {"a": AWARE}], "with a time zone"),
        ([date(2024, 1, 1), NAIVE], "different types: date, date and time"),
        ([date(2024, 1, 1), 5], "date, integer"),
        (["a", b"a"], "bytes, text"),
        ([["a", b"a"]], "bytes, text"),
        ([0.5, True], "boolean, float"),
        ([timedelta(1), 0.5], "duration, float"),
        ([time(1, tzinfo=UTC)], "has a time zone"),
        ([pd.Timestamp(1)], r"nanoseconds.*timestamp\[ns\]"),
        ([pd.Timedelta(1)], "nanoseconds"),
        ([NAIVE, pd.NaT], "NaT"),
    ],
)
def test_the_error_names_the_types(values: list[Any], message: str) -> None:
    with pytest.raises(pa.ArrowTypeError, match=message):
        inferred_array(values)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.timestamp("us"), [5], pa.int64()),
        (pa.timestamp("us"), [AWARE], pa.timestamp("us", "UTC")),
        (pa.timestamp("us", "UTC"), [NAIVE], pa.timestamp("us")),
        (pa.timestamp("us", "UTC"), [datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2)))], pa.timestamp("us", "UTC")),
        (pa.date32(), [NAIVE], pa.timestamp("us")),
        (pa.string(), [b"a"], pa.binary()),
        (pa.binary(), ["a"], pa.string()),
        (pa.duration("us"), [7], pa.int64()),
        (pa.float64(), [np.uint64(2**53)], pa.float64()),
        (pa.int64(), [np.float16(0.5)], pa.float64()),
    ],
)
def test_a_value_of_another_kind_is_not_reinterpreted_as_the_previous_type(kind: Any, values: list[Any], expected: Any) -> None:
    found = previous_array(values, kind)
    assert (found.type, found.to_pylist()) == (expected, values)


def mixed_times(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a time zone for one row."""
    return {**row, "t": AWARE if row["id"] == 3 else NAIVE}


def mixed_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns a time zone for one row."""
    return frame.assign(t=[AWARE if i == 3 else NAIVE for i in frame["id"]])


@pytest.mark.parametrize(("step", "function"), [("map", mixed_times), ("mapBatches", mixed_frame)])
def test_rows_with_another_kind_of_time_fail_alone(tmp_path: Any, step: str, function: Callable[..., Any]) -> None:
    write_parts(tmp_path / "in", [{"id": i} for i in range(9)], 1)
    steps = [{step: {"function": f"{__name__}:{function.__name__}"}}]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps, errors={"policy": "drop"}))
    assert (report.progress.rows_out, report.progress.rows_failed) == (8, 1)
    assert {row["t"] for row in read_manifest(tmp_path / "out")} == {NAIVE}


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.duration("ns")], ids=str)
def test_a_column_of_nanoseconds_keeps_them(kind: Any) -> None:
    column = pa.array([1, None, -(2**62), 2**62 + 1], kind)
    assert previous_array(column.to_pylist(), kind).equals(column)
