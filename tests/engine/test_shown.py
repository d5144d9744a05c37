"""Any value is shown as a short text."""

import decimal
import uuid

import pyarrow as pa
import pytest

from datajob.engine.counts.shown import shown


def storage(kind: pa.DataType, array: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, array)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (pa.array([253402300800], pa.timestamp("s")), "10000-01-01T00:00:00"),
        (pa.array([-99999999999], pa.timestamp("s")), "-1199-02-15T14:13:21"),
        (pa.array([2**62], pa.timestamp("us", "UTC")), "148108-07-06T14:00:27.387904Z"),
        (pa.array([0], pa.timestamp("us", "Mars/Olympus")), "1970-01-01T00:00:00.000000Z"),
        (pa.array([2932897], pa.date32()), "10000-01-01"),
        (pa.array([[-719528]], pa.list_(pa.date32())), "['0000-01-01']"),
        (pa.array([{"d": 2932897}], pa.struct([("d", pa.date32())])), "{'d': '10000-01-01'}"),
        (pa.array([2**63 - 1], pa.duration("s")), "9223372036854775807"),
        (pa.array([86399999999999], pa.time64("ns")), "23:59:59.999999"),
        (pa.array([pa.MonthDayNano([1, 2, 3])]), "MonthDayNano(months=1, days=2, nanoseconds=3)"),
        (pa.array([decimal.Decimal("1.10")]), "1.10"),
        (storage(pa.uuid(), pa.array([uuid.UUID(int=1).bytes], pa.binary(16))), "UUID('00000000-0000-0000-0000-000000000001')"),
        (pa.array(['{"a":1}']).cast(pa.json_()), '{"a":1}'),
        (pa.array(["x"]).dictionary_encode(), "x"),
        (pa.array([b"abc"]), "<3 bytes>"),
        (pa.array([None], pa.string()), "None"),
        (pa.array(["x" * 1000]), "x" * 400 + "\u2026"),
        (pa.array(["é" * 100_000]), "é" * 400 + "\u2026"),
        (pa.array([[1.5] * 100_000]), "<list<item: double> of 0.8 MB>"),
        (pa.array([b"\xff\xfe"]).cast(pa.string(), safe=False), "\\xff\\xfe"),
        (pa.array([[(1, 2)]], pa.map_(pa.int8(), pa.int8())), "[(1, 2)]"),
        (pa.nulls(1), "None"),
    ],
)
def test_a_value_of_any_type_is_shown_without_an_error(array: pa.Array, text: str) -> None:
    assert shown(pa.chunked_array([array]), 0) == text
