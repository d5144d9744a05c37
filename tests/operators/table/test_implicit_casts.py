"""Casts that SQL adds to expressions never change a value in silence: a row fails, or the job is invalid."""

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from random import Random

import duckdb
import pyarrow as pa
import pytest

from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.table.compute import Compute
from datajob.operators.table.filter import Filter

LARGE = 2**53 + 1
ROW = {
    "i": pa.array([2]),
    "j": pa.array([2**24 + 1], pa.int32()),
    "b": pa.array([LARGE]),
    "u": pa.array([2**64 - 1], pa.uint64()),
    "f": pa.array([1.5]),
    "g": pa.array([1.5], pa.float32()),
    "s": pa.array(["1.5"]),
    "p": pa.array(["2024-01-01 23:00"]),
    "js": pa.array(["1.5"]).cast(pa.json_()),
    "d": pa.array([date(2024, 1, 1)]),
    "ts": pa.array([datetime(2024, 1, 1, 10)]),
    "c": pa.array([Decimal("1.25")], pa.decimal128(10, 2)),
    "c0": pa.array([Decimal(10) ** 37], pa.decimal128(38, 0)),
    "c30": pa.array([Decimal("1." + "1" * 30)], pa.decimal128(38, 30)),
    "bs": pa.array([[LARGE]]),
    "fs": pa.array([[1.5]]),
    "st": pa.array([{"a": LARGE}]),
    "su": pa.array([{"a": 1.5}]),
}


def compute(expression, **columns):
    return Compute(columns={"x": expression}).apply(Batch(pa.table({**ROW, **columns}))).column("x").to_pylist()[0]


@pytest.mark.parametrize(
    "expression",
    [
        "b = f", "f < b", "b <> f", "b BETWEEN f AND 3", "b IN (f, 1)", "b IS DISTINCT FROM f", "NULLIF(b, f)",
        "coalesce(b, f)", "ifnull(b, f)", "if(f > 1, b, f)", "CASE WHEN i = 2 THEN b ELSE f END", "CASE b WHEN f THEN 1 END",
        "greatest(b, f)", "least(u, f)", "[b, f]", "array_value(b, f)", "coalesce(u, f)", "coalesce(b, g)", "coalesce(j, g)",
        "j = g", "b // f", "b % f", "b::BIGINT = f", "b + 0 > f", "bs = fs", "bs || fs", "list_contains(bs, f)",
        "list_transform(bs, lambda x: coalesce(x, f))", "[x for x in bs if x > f]", "coalesce(c30, c0)", "i = s", "s = 2",
        "js = 2", "js IN (1, 2)", "d = p", "i > 0 AND (i = 3 OR b >= f)", "coalesce(i + b, f)",
    ],
)  # fmt: skip
def test_a_row_fails_if_a_cast_would_change_its_value(expression):
    with pytest.raises(duckdb.Error, match="cannot be represented exactly as"):
        compute(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "i = '1.5'", "i IN ('1', '1.5')", "i BETWEEN '0.5' AND 3", "coalesce(i, '1.5')", "[i, '1.5']", "i + '1.5'",
        "substr(s, '1.5')", "d = '2024-01-01 23:00'", "greatest(d, '2024-01-01 23:00')", "ts > '2024-01-01 10:00+02'",
        "ts = '2024-01-01 10:00:00.0000001'", "c = '1.255'", "f = 9007199254740993", "f = 9007199254740993.0", "f < '1e400'",
        "coalesce(f, 9007199254740993)", "st = su", "(b, 1) = (f, 1)", "MAP {b: 1}[f]", "list_append(fs, b)",
    ],
)  # fmt: skip
def test_a_constant_or_a_nested_value_that_a_cast_would_change_is_an_error_of_the_job(expression):
    with pytest.raises(InvalidJob, match="explicit CAST"):
        compute(expression)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("i = '2'", True), ("i = ' 2 '", True), ("i > f", True), ("b > 1.5", True), ("b = 9007199254740993.0", True),
        ("f > 0.1", True), ("f = '1.5'", True), ("c = '1.25'", True), ("c = 1.25", True), ("c > f", False),
        ("coalesce(c, f)", 1.25), ("coalesce(i, f)", 2.0), ("d = '2024-01-01'", True), ("ts > '2024-01-01'", True),
        ("b / 2", LARGE / 2), ("b * f", LARGE * 1.5), ("sqrt(b)", LARGE**0.5), ("b::DOUBLE = f", False),
        ("CAST(s AS BIGINT)", 2), ("coalesce(u, b)", 2**64 - 1), ("b = u", False), ("length(s) > f", True),
        ("try(b = f)", None), ("try(i = s)", None), ("try(coalesce(i, f))", 2.0), ("try(list_contains(bs, f))", None),
        ("i = TRUE", False), ("f > 3.141592653589793238462643", False), ("coalesce(NULL, f)", 1.5),
    ],
)  # fmt: skip
def test_exact_casts_and_arithmetic_work_as_in_duckdb(expression, expected):
    assert compute(expression) == expected


def test_a_filter_does_not_match_the_rounded_text():
    rows = Batch(pa.table({"i": [1, 2]}))
    with pytest.raises(InvalidJob, match=r"1\.5 cannot be represented exactly as BIGINT"):
        Filter(where="i = '1.5'").keep(rows)
    assert Filter(where="i = '2'").keep(rows).codes.tolist() == [1, 0]


@pytest.mark.parametrize("seed", range(4))
def test_random_integers_and_doubles_are_compared_exactly_or_not_at_all(seed):
    random = Random(seed)
    integers = [random.choice([1, -1]) * random.getrandbits(random.choice([3, 53, 54, 63])) for _ in range(400)]
    doubles = [random.choice([float(n), n + 0.5, random.random()]) for n in integers]
    for operator, compare in [("<", Fraction.__lt__), ("=", Fraction.__eq__), (">=", Fraction.__ge__)]:
        compared = 0
        for integer, double in zip(integers, doubles, strict=True):
            try:
                found = compute(f"n {operator} x", n=pa.array([integer]), x=pa.array([double]))
            except duckdb.Error:
                assert int(float(integer)) != integer, (seed, integer, double)
            else:
                assert found is compare(Fraction(integer), Fraction(double)), (seed, integer, double)
                compared += 1
        assert compared > 200, seed
