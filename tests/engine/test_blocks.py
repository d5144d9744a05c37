"""Tables of a shard are written with the types of the first one: a value that does not fit ends the job, and never changes."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from datajob.engine.exchange.blocks import conform
from datajob.errors import InvalidJob

NAIVE, AWARE = datetime(2024, 1, 1, 5), datetime(2024, 1, 1, 5, tzinfo=UTC)


def written(first: Any, then: Any) -> Any:
    """A value as written behind another one."""
    return conform(pa.table({"x": [then]}), pa.table({"x": [first]}).schema).column("x").to_pylist()[0]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"a": 1}, {"b": 2}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ([{"a": 1}], [{"a": 1, "b": 2}]),
        ({"s": {"a": 1}}, {"s": {"a": None, "b": "x"}}),
        (5, "05"),
        ("5", 5),
        (1, 1.5),
        (0.5, 2**53 + 1),
        (AWARE, NAIVE),
        (NAIVE, AWARE),
        (date(2024, 1, 1), NAIVE),
        ("a", b"a"),
        (b"a", "a"),
        (True, 1),
        ([1], ["1"]),
        (NAIVE, 5),
    ],
    ids=str,
)
def test_a_value_of_another_type_ends_the_job(first: Any, then: Any) -> None:
    with pytest.raises(InvalidJob, match=r"Column x is .* in some batches of rows and .* in others"):
        written(first, then)


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        ({"a": 1, "b": "x"}, {"a": 2}, {"a": 2, "b": None}),
        ({"a": 1}, {"a": 2, "b": None}, {"a": 2}),
        (0.5, 2, 2.0),
        (1, 2.0, 2),
        ([1], [], []),
        ("a", None, None),
        (1, None, None),
        ([0.5], [1], [1.0]),
    ],
    ids=str,
)
def test_a_value_that_fits_is_written(first: Any, then: Any, expected: Any) -> None:
    assert written(first, then) == expected


@pytest.mark.parametrize("kind", [pa.dictionary(pa.int32(), pa.string()), pa.large_string(), pa.string_view()], ids=str)
def test_encodings_of_text_do_not_matter(kind: Any) -> None:
    table = pa.table({"x": pa.array(["a", None], pa.string()).cast(kind)})
    assert conform(table, pa.schema([("x", pa.string())])).column("x").to_pylist() == ["a", None]
