from datetime import date, datetime
from decimal import Decimal
from math import isnan

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datajob.errors import InvalidJob
from datajob.operators.table.sort import Sort
from tests.support.exchange import repartitioned, rows_of

NUMBERS = st.none() | st.integers(-3, 3) | st.just(float("nan"))


def expected(rows, by, descending):
    """Python's own stable sort, from the least important column to the first: NaN, then null, last."""

    def rank(value):
        return 2 if value is None else 1 if isinstance(value, float) and isnan(value) else 0

    for name in reversed(by):
        ordinary = sorted((r for r in rows if rank(r[name]) == 0), key=lambda r: r[name], reverse=name in descending)
        if name in descending:  # `reverse` keeps equal rows as they were
            assert ordinary == sorted(ordinary, key=lambda r: r[name], reverse=True)
        rows = ordinary + [r for r in rows if rank(r[name]) == 1] + [r for r in rows if rank(r[name]) == 2]
    return rows


@given(
    st.lists(st.tuples(NUMBERS, st.none() | st.text("abé", max_size=2)), max_size=60),
    st.sampled_from([((), ("x",)), (("x",), ("x",)), (("s",), ("x", "s")), (("x", "s"), ("s", "x")), (("x",), ("x", "s"))]),
    st.integers(1, 5),
    st.integers(3, 20),
)
@settings(max_examples=80, deadline=None)
def test_rows_are_in_order_regardless_of_the_partitions(values, order, partitions, size):
    descending, by = order
    table = pa.table(
        {
            "x": pa.array([None if x is None else float(x) for x, _ in values], pa.float64()),
            "s": pa.array([s for _, s in values], pa.string()),
            "id": pa.array(range(len(values)), pa.int64()),
        }
    )
    step = Sort(by=by, descending=descending or None)
    found = rows_of(repartitioned(step, table, partitions=partitions, size=size))
    assert [r["id"] for r in found] == [r["id"] for r in expected(table.to_pylist(), by, descending)]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.string(), ["", "A", "a", "é", "中"]),
        (pa.large_string(), ["a", "b"]),
        (pa.binary(), [b"", b"\x00", b"\xff"]),
        (pa.bool_(), [False, True]),
        (pa.decimal128(10, 2), [Decimal("-1.50"), Decimal("2.25")]),
        (pa.date32(), [date(1960, 1, 1), date(2020, 1, 1)]),
        (pa.timestamp("us", "UTC"), [datetime(1960, 1, 1), datetime(2020, 1, 1)]),
        (pa.float16(), [-1.0, 0.5]),
        (pa.uint64(), [0, 2**64 - 1]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "b"]),
    ],
    ids=str,
)
def test_every_type_with_an_order_is_sorted(kind, values):
    shuffled = pa.array([values[-1], None, *values[:-1]], kind)
    table = pa.table({"v": shuffled, "other": [[1]] * len(shuffled)})
    for partitions in (1, 3):
        results = repartitioned(Sort(by=["v"]), table, partitions=partitions, size=2)
        column = pa.concat_tables(results).column("v")
        assert column.type == kind
        assert column.take(list(range(len(values)))).to_pylist() == pa.array(values, kind).to_pylist()
        assert column[-1].as_py() is None


@pytest.mark.parametrize("values", [[[1]], [{"a": 1}]])
def test_a_type_without_an_order_is_rejected(values):
    with pytest.raises(InvalidJob, match="`sort` cannot order column `v` of type"):
        repartitioned(Sort(by=["v"]), pa.table({"v": values}))


def test_partitions_are_even_when_keys_differ():
    table = pa.table({"v": [(i * 7919) % 10_007 for i in range(10_007)]})
    sizes = [len(t) for t in repartitioned(Sort(by=["v"]), table, partitions=5, size=1_000)]
    assert len(sizes) == 5
    assert max(sizes) < 2 * 10_007 / 5


def test_an_empty_table_stays_empty():
    assert repartitioned(Sort(by=["v"]), pa.table({"v": pa.array([], pa.int64())}), partitions=3) == []


def test_invalid_parameters_are_rejected():
    with pytest.raises(ValidationError, match="`descending` contains `b`, which is not in `by`"):
        Sort(by=["a"], descending=["b"])
    with pytest.raises(InvalidJob, match="did you mean `v`"):
        repartitioned(Sort(by=["V"]), pa.table({"v": [1]}))
    assert Sort(by=["a", "b"], descending=["b"]).inputs() == ("a", "b")
