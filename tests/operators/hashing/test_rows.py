from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InvalidJob
from datajob.operators.hashing.rows import draw, hash_rows, partition_of, share


def pairs(table, columns=None):
    hashes = hash_rows(table, columns)
    return list(zip(hashes.high.tolist(), hashes.low.tolist(), strict=True))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", (0, 0)),
        ("hello", (0xCBD8A7B341BD9B02, 0x5B1E906A48AE1D19)),
        ("The quick brown fox jumps over the lazy dog", (0xE34BBC7BBC071B6C, 0x7A433CA9C49A9347)),
    ],
)
def test_bytes_are_hashed_by_the_published_murmurhash3(value, expected):
    assert pairs(pa.table({"a": [value]})) == [expected]


VALUES = [
    (pa.string(), ["", "a", "b", "a" * 15, "a" * 16, "a" * 17, "a" * 8]),
    (pa.large_string(), ["", "a", "ab"]),
    (pa.string_view(), ["", "a", "a string that is not inlined"]),
    (pa.binary(), [b"", b"\x00", b"\x00\x00"]),
    (pa.binary(2), [b"ab", b"ac"]),
    (pa.int8(), [-1, 0, 1]),
    (pa.uint64(), [0, 2**64 - 1]),
    (pa.float32(), [0.0, 0.5, float("nan"), float("inf"), 1e30]),
    (pa.float64(), [0.0, 1.0, 1.5, 2.0**60, float("nan")]),
    (pa.bool_(), [True, False]),
    (pa.date32(), [date(1970, 1, 1), date(1960, 1, 1)]),
    (pa.date64(), [date(1970, 1, 1), date(1960, 1, 1)]),
    (pa.time64("us"), [time(1), time(2)]),
    (pa.timestamp("us"), [datetime(2020, 1, 1), datetime(1960, 1, 1)]),
    (pa.timestamp("ns", "UTC"), [datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, 0, 0, 0, 1, tzinfo=UTC)]),
    (pa.duration("ms"), [timedelta(0), timedelta(days=1)]),
    (pa.decimal128(10, 2), [Decimal("1.25"), Decimal("-1.25"), Decimal("0.00")]),
    (pa.list_(pa.string()), [[], [None], ["a"], ["a", "a"], ["", "aa"]]),
    (pa.large_list(pa.int64()), [[], [1], [1, 2], [2, 1]]),
    (pa.list_(pa.int64(), 2), [[1, 2], [2, 1]]),
    (pa.struct([("a", pa.int64()), ("b", pa.string())]), [{"a": 1, "b": "x"}, {"a": 1, "b": None}, {"a": None, "b": "x"}]),
    (pa.map_(pa.string(), pa.int64()), [[], [("a", 1)], [("a", None)]]),
    (pa.dictionary(pa.int8(), pa.string()), ["a", "b"]),
    (pa.list_(pa.list_(pa.struct([("a", pa.string())]))), [[], [[]], [[], []], [[{"a": "x"}]], [[{"a": None}]]]),
]


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=[str(kind) for kind, _ in VALUES])
def test_rows_have_one_hash_exactly_when_they_are_equal(kind, values):
    column = pa.array([*values, None, *values, None], kind)
    hashes = pairs(pa.table({"a": column}))
    half = len(values) + 1
    assert hashes[:half] == hashes[half:]
    assert len(set(hashes)) == half


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=[str(kind) for kind, _ in VALUES])
def test_a_hash_does_not_depend_on_slices_and_chunks(kind, values):
    table = pa.table({"a": pa.array([None, *values, None], kind)})
    whole = pairs(table)
    assert pairs(table.slice(1)) == whole[1:]
    assert pairs(table.slice(2, 1)) == whole[2:3]
    assert pairs(table.slice(0, 0)) == []
    assert pairs(pa.concat_tables([table, table.slice(1)])) == whole + whole[1:]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pa.array(["a", None]), pa.array(["a", None], pa.large_string())),
        (pa.array(["a", None]), pa.array(["a", None]).dictionary_encode()),
        (pa.array(["a", None]), pa.array([b"a", None])),
        (pa.array([1, -1], pa.int8()), pa.array([1, -1], pa.int64())),
        (pa.array([1, 2], pa.int32()), pa.array([1, 2], pa.uint64())),
        (pa.array([1, 2]), pa.array([1.0, 2.0])),
        (pa.array([0.5], pa.float32()), pa.array([0.5], pa.float64())),
        (pa.array([0.0]), pa.array([-0.0])),
        (pa.array([1], pa.timestamp("s")), pa.array([1_000_000_000], pa.timestamp("ns"))),
        (pa.array([date(2020, 1, 1)], pa.date32()), pa.array([date(2020, 1, 1)], pa.date64())),
        (pa.array([[1]], pa.list_(pa.int8())), pa.array([[1]], pa.large_list(pa.int64()))),
        (pa.array([[1, 2]], pa.list_(pa.int8(), 2)), pa.array([[1, 2]], pa.list_(pa.int8()))),
    ],
)
def test_equal_values_of_like_types_have_one_hash(left, right):
    assert pairs(pa.table({"a": left})) == pairs(pa.table({"a": right}))


def test_a_struct_of_nulls_differs_from_null():
    kind = pa.struct([("a", pa.int64())])
    assert len(set(pairs(pa.table({"a": pa.array([None, {"a": None}], kind)})))) == 2


ROWS = st.lists(st.tuples(st.none() | st.text(max_size=3), st.none() | st.integers(-2, 2), st.none() | st.lists(st.booleans())))


@given(ROWS)
@settings(max_examples=50, deadline=None)
def test_rows_of_several_columns_are_told_apart(rows):
    kinds = [pa.string(), pa.int64(), pa.list_(pa.bool_())]
    table = pa.table({name: pa.array([r[i] for r in rows], kinds[i]) for i, name in enumerate("abc")})
    hashes = pairs(table)
    keys = [repr(r) for r in rows]
    assert len(set(hashes)) == len(set(keys)) == len(set(zip(hashes, keys, strict=True)))


def test_the_order_of_columns_matters_and_their_choice():
    table = pa.table({"a": ["x", "y"], "b": ["y", "x"], "c": [1, 2]})
    assert pairs(table, ["a", "b"])[0] != pairs(table, ["a", "b"])[1]
    assert pairs(table, ["a", "b"]) == pairs(table.select(["a", "b"]))
    assert len(set(pairs(table.select([])))) == 1


def test_a_type_without_equality_is_rejected():
    union = pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])])
    with pytest.raises(InvalidJob, match="column `u` has type"):
        hash_rows(pa.table({"u": union}))


@pytest.mark.parametrize("other", [(2, "sample"), (1, "sample-2"), (1, "split")], ids=str)
def test_draws_are_uniform_and_independent_for_another_seed_or_salt(other):
    table = pa.table({"id": range(20_000)})
    first, second = share(draw(table, ["id"], 1, "sample")), share(draw(table, ["id"], *other))
    assert abs(first.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert np.array_equal(first, share(draw(table, None, 1, "sample")))


def test_draws_are_independent_of_the_partitions_of_an_exchange():
    table = pa.table({"id": range(20_000)})
    routed = share(hash_rows(table, ["id"]).high)
    assert abs(np.corrcoef(routed, share(draw(table, ["id"], 0, "sample")))[0, 1]) < 0.03


@pytest.mark.parametrize("partitions", [1, 2, 7, 1000])
def test_every_hash_has_a_partition_and_they_are_even(partitions):
    found = partition_of(hash_rows(pa.table({"id": range(20_000)})).high, partitions)
    counts = np.bincount(found, minlength=partitions)
    assert len(counts) == partitions
    assert counts.max() < 3 * 20_000 / partitions


def test_large_unsigned_integers_differ_from_negative_ones():
    unsigned = pa.table({"x": pa.array([2**64 - 1, 2**63, 2**63 - 1, 0], pa.uint64())})
    signed = pa.table({"x": pa.array([-1, -(2**63), 2**63 - 1, 0])})
    same = hash_rows(unsigned, ["x"]).high == hash_rows(signed, ["x"]).high
    assert same.tolist() == [False, False, True, True]
    assert len(set(hash_rows(unsigned, ["x"]).high.tolist())) == 4
