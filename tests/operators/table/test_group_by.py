import re
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from statistics import median
from typing import get_args
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datajob.api.reference import operators_page
from datajob.errors import InvalidJob
from datajob.operators.table.group_by import Function, GroupBy
from tests.support.exchange import repartitioned, rows_of
from tests.support.local_jobs import make_job, read_manifest, run, write_parts

ALL = {
    "rows": {"function": "count"},
    "values": {"function": "count", "column": "x"},
    "total": {"function": "sum", "column": "x"},
    "least": {"function": "min", "column": "x"},
    "most": {"function": "max", "column": "x"},
    "average": {"function": "mean", "column": "x"},
    "spread": {"function": "std", "column": "x"},
    "median": {"function": "quantile", "column": "x", "q": 0.5},
    "upper": {"function": "quantile", "column": "x", "q": 0.9},
    "head": {"function": "first", "column": "x"},
    "every": {"function": "collect", "column": "x"},
}


def group(table, by, aggregates, **how):
    return rows_of(repartitioned(GroupBy(by=by, aggregates=aggregates), table, **how))


def expected(table, by):
    """What pandas says."""
    frame = pd.DataFrame({n: pd.Series(table.column(n).to_pylist(), dtype=object) for n in table.column_names})
    groups = [((), frame)] if not by else frame.groupby(by, dropna=False, sort=False)
    rows = []
    for key, part in groups:
        x = part["x"].dropna().astype(float)
        values = [None if pd.isna(v) else v for v in part["x"]]
        row = {n: None if pd.isna(k) else k for n, k in zip(by, key, strict=True)}
        numbers = {
            "total": x.sum() if len(x) else None,
            "least": x.min(),
            "most": x.max(),
            "average": x.mean(),
            "spread": x.std(),
            "median": x.quantile(0.5),
            "upper": x.quantile(0.9),
        }
        row |= {"rows": len(part), "values": len(x)} | {n: None if pd.isna(v) else v for n, v in numbers.items()}
        rows.append(row | {"head": values[0] if values else None, "every": values})
    return rows


def rounded(rows):
    return [{k: pytest.approx(v, rel=1e-9, abs=1e-9) if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def by_key(rows, by):
    return sorted(rows, key=lambda r: [(r[n] is None, r[n] if r[n] is not None else 0) for n in by])


@given(
    st.lists(
        st.tuples(st.none() | st.sampled_from(["", "a", "b"]), st.none() | st.integers(0, 1), st.none() | st.integers(-9, 9)),
        min_size=1,
    ),
    st.sampled_from([("k",), ("k", "j"), ()]),
    st.integers(1, 4),
    st.integers(1, 20),
)
@settings(max_examples=60, deadline=None)
def test_groups_are_those_of_pandas_regardless_of_the_partitions(rows, by, partitions, size):
    kinds = {"k": pa.string(), "j": pa.int32(), "x": pa.int64()}
    table = pa.table({name: pa.array([r[i] for r in rows], kind) for i, (name, kind) in enumerate(kinds.items())})
    found = group(table, by, ALL, partitions=partitions, size=size)
    assert by_key(found, by) == rounded(by_key(expected(table, list(by)), by))


def test_a_partition_is_sorted_by_group_with_nulls_last():
    table = pa.table({"k": ["b", None, "a", "b"], "x": [1, 2, 3, 4]})
    assert group(table, ["k"], {"n": {"function": "count"}}, size=2) == [
        {"k": "a", "n": 1},
        {"k": "b", "n": 2},
        {"k": None, "n": 1},
    ]


@pytest.mark.parametrize(
    ("column", "functions", "expected_values"),
    [
        (pa.array(["b", "a", None]), ["min", "max", "first", "count"], ["a", "b", "b", 2]),
        (pa.array(["b", "a", None], pa.large_string()), ["min", "first", "collect"], ["a", "b", ["b", "a", None]]),
        (pa.array([b"b", b"\xff", None]), ["max", "first"], [b"\xff", b"b"]),
        (pa.array([True, False, None]), ["sum", "min", "max"], [1, False, True]),
        (pa.array([1.5, 2.5, None], pa.float32()), ["sum", "mean", "min"], [4.0, 2.0, 1.5]),
        (pa.array([Decimal("1.25"), Decimal("2.50"), None]), ["sum", "max"], [Decimal("3.75"), Decimal("2.50")]),
        (
            pa.array([datetime(2020, 1, 1), datetime(2021, 1, 1), None], pa.timestamp("ms")),
            ["min", "first"],
            [datetime(2020, 1, 1)] * 2,
        ),
        (pa.array([[1], [2, 3], None]), ["first", "collect"], [[1], [[1], [2, 3], None]]),
        (pa.array([{"a": 1}, None, None]), ["first"], [{"a": 1}]),
        (pa.array(["b", "a", None]).dictionary_encode(), ["min", "first"], ["a", "b"]),
    ],
    ids=lambda v: str(v.type) if isinstance(v, pa.Array) else "",
)
def test_types_are_aggregated(column, functions, expected_values):
    table = pa.table({"x": column})
    aggregates = {f"f{i}": {"function": f, "column": "x"} for i, f in enumerate(functions)}
    (result,) = repartitioned(GroupBy(by=[], aggregates=aggregates), table, size=1)
    assert list(result.to_pylist()[0].values()) == expected_values
    for i, function in enumerate(functions):
        if function in ("min", "max", "first") and not pa.types.is_dictionary(column.type):
            assert result.schema.field(f"f{i}").type == column.type


def test_groups_of_any_type_are_found():
    table = pa.table({"k": [[1], [1], None, []], "s": [{"a": 1}, {"a": 1}, None, None], "x": [1, 2, 3, 4]})
    found = group(table, ["k", "s"], {"total": {"function": "sum", "column": "x"}}, partitions=3, size=1)
    assert sorted(r["total"] for r in found) == [3, 3, 4]


def test_the_standard_deviation_of_large_close_numbers_is_exact():
    values = [1e9 + i % 3 for i in range(300)]
    table = pa.table({"x": values})
    (row,) = group(table, [], {"s": {"function": "std", "column": "x"}}, size=7)
    assert row["s"] == pytest.approx(pd.Series(values).std(), rel=1e-6)


def test_a_sum_beyond_64_bits_fails_instead_of_wrapping():
    with pytest.raises(InvalidJob):
        group(pa.table({"x": [2**62, 2**62]}), [], {"s": {"function": "sum", "column": "x"}})


def test_names_that_differ_by_case_are_distinct():
    table = pa.table({"k": [1, 1], "K": [1, 2], "x": [1, 2]})
    found = group(table, ["k", "K"], {"n": {"function": "count"}, "N": {"function": "sum", "column": "x"}})
    assert found == [{"k": 1, "K": 1, "n": 1, "N": 1}, {"k": 1, "K": 2, "n": 1, "N": 2}]


def test_no_rows_make_no_group_or_a_single_empty_one():
    empty = pa.table({"k": pa.array([], pa.string()), "x": pa.array([], pa.int64())})
    assert group(empty, ["k"], ALL, partitions=2) == []
    (row,) = group(empty, [], ALL)
    assert (row["rows"], row["total"], row["every"]) == (0, None, [])
    assert list(GroupBy(by=["k"], aggregates=ALL).combine([pa.table({})], 0)) == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"by": ["k"], "aggregates": {"n": {"function": "sum"}}}, "`sum` needs a `column`"),
        ({"by": ["k"], "aggregates": {"n": {"function": "quantile", "column": "x"}}}, "`q` is required for"),
        ({"by": ["k"], "aggregates": {"n": {"function": "sum", "column": "x", "q": 0.5}}}, "`q` is required for"),
        ({"by": ["k"], "aggregates": {"k": {"function": "count"}}}, "choose another name for the aggregate"),
        ({"by": ["k"], "aggregates": {}}, "at least 1"),
        ({"by": ["k"], "aggregates": {"n": {"function": "median", "column": "x"}}}, "quantile"),
    ],
)
def test_invalid_parameters_are_rejected(parameters, message):
    with pytest.raises(ValidationError, match=message):
        GroupBy(**parameters)


@pytest.mark.parametrize(
    ("by", "column", "function", "message"),
    [
        ("K", "x", "sum", "did you mean `k`"),
        ("k", "X", "sum", "did you mean `x`"),
        ("k", "k", "mean", "cannot compute its aggregates"),
    ],
)
def test_an_aggregate_that_does_not_suit_the_columns_is_an_error_of_the_job(by, column, function, message):
    with pytest.raises(InvalidJob, match=message):
        group(pa.table({"k": ["a"], "x": [1]}), [by], {"n": {"function": function, "column": column}})


def test_the_columns_before_and_after_are_known():
    step = GroupBy(by=["k"], aggregates={"n": {"function": "count"}, "s": {"function": "sum", "column": "x"}})
    assert step.inputs() == ("k", "x")
    assert step.outputs(("k", "x", "y")) == ("k", "n", "s")


def test_the_functions_are_in_the_reference():
    page = operators_page()
    section = page[page.index("### groupBy") : page.index("### join")]
    assert "`aggregates.*.function`" in section
    assert [name for name in get_args(Function) if f"`{name}`" not in section and f'"{name}"' not in section] == []


@pytest.mark.parametrize("parts", [1, 4])
def test_a_sum_that_needs_more_than_64_bits_is_an_error_and_exact_as_decimals(parts, tmp_path):
    write_parts(tmp_path / "in", [{"g": i % 3, "n": 2**62} for i in range(12)], parts)
    step = {"groupBy": {"by": ["g"], "aggregates": {"total": {"function": "sum", "column": "n"}}}}
    with pytest.raises(InvalidJob, match=r"a sum of `n` \(column `total`\) does not fit 64 bits. `cast` `n` to decimal"):
        run(make_job(tmp_path / "in", tmp_path / "out", [step]))
    exact = [{"cast": {"columns": {"n": "decimal(30, 1)"}}}, step]
    run(make_job(tmp_path / "in", tmp_path / "exact", exact))
    assert [(row["g"], int(row["total"])) for row in read_manifest(tmp_path / "exact")] == [(g, 4 * 2**62) for g in range(3)]


@pytest.mark.parametrize(
    "kind",
    [pa.duration("ns"), pa.list_(pa.duration("s")), pa.float16(), pa.timestamp("ns", "Asia/Tokyo"), pa.binary(8), pa.uint64()],
)
def test_selected_values_and_keys_keep_their_type(kind):
    values = {"list": [[1], [None], None, []], "fixed_size_binary": [b"8 bytes.", b"........", None, b"zzzzzzzz"]}
    column = pa.array(values.get(re.split(r"[<\[]", str(kind))[0], [1, 2, None, 3]), kind)
    table = pa.table({"k": [1, 1, 2, 2], "x": column})
    aggregates = {name: {"function": name, "column": "x"} for name in ("min", "max", "first", "collect")}
    merged = pa.concat_tables(repartitioned(GroupBy(by=["k"], aggregates=aggregates), table)).sort_by("k")
    assert merged.schema.types == [pa.int64(), kind, kind, kind, pa.list_(kind)]
    assert merged.column("collect").combine_chunks().flatten().equals(column)
    keys = repartitioned(GroupBy(by=["x"], aggregates={"n": {"function": "count"}}), table)
    assert sum(row["n"] for row in rows_of(keys)) == 4 and len(rows_of(keys)) == 4


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 2]), pa.array([2**53, 2**53 + 2, 7]), pa.array([2**64 - 2**11] * 3, pa.uint64()), pa.array([-(2**63)] * 2),
        pa.array([Decimal(1), Decimal(2)], pa.decimal128(38, 0)), pa.array([Decimal("1.00"), Decimal("1.01")]),
        pa.array([None, 3, None, 2**62 + 1, 0], pa.int64()), pa.array([None], pa.int64()),
    ],
)  # fmt: skip
def test_the_median_is_the_double_between_the_values(values):
    found = group(pa.table({"x": values}), (), {"m": {"function": "quantile", "column": "x", "q": 0.5}})
    numbers = [value for value in values.to_pylist() if value is not None]
    assert found == [{"m": float(median(map(Fraction, numbers))) if numbers else None}]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2**53 + 1] * 3), pa.array([2**63 - 1, 2**63 - 3]), pa.array([2**64 - 1], pa.uint64()),
        pa.array([0, -(2**53) - 1, 2**53 + 1, 1]).take(pa.array([1])), pa.array([Decimal("9" * 38)], pa.decimal128(38, 0)),
    ],
)  # fmt: skip
def test_a_quantile_of_numbers_that_a_double_would_round_is_an_error_of_the_job(values):
    with pytest.raises(InvalidJob, match=r"quantile of `x`.*cannot be represented exactly as a double; `cast`.*float64"):
        group(pa.table({"x": values}), (), {"m": {"function": "quantile", "column": "x", "q": 0.5}})


def test_a_quantile_does_not_cut_off_nanoseconds():
    aggregates = {"m": {"function": "quantile", "column": "x", "q": 0.5}}
    assert group(pa.table({"x": pa.array([1000, 3000], pa.timestamp("ns"))}), (), aggregates) == [
        {"m": datetime(1970, 1, 1, 0, 0, 0, 2)}
    ]
    with pytest.raises(pa.ArrowInvalid, match="would lose data"):
        group(pa.table({"x": pa.array([1001, 3000], pa.timestamp("ns"))}), (), aggregates)


def test_groups_can_have_uuids_as_keys_and_values():
    ids = [UUID(int=1), None, UUID(int=2), UUID(int=1)]
    table = pa.table({"k": pa.array(ids, pa.uuid()), "n": range(4)})
    aggregates = {
        "all": {"function": "collect", "column": "k"},
        "least": {"function": "min", "column": "k"},
        "n": {"function": "collect", "column": "n"},
    }
    found = group(table, ("k",), aggregates)
    assert by_key([{**row, "k": str(row["k"])} for row in found], ("k",)) == [
        {"k": str(UUID(int=1)), "all": [UUID(int=1)] * 2, "least": UUID(int=1), "n": [0, 3]},
        {"k": str(UUID(int=2)), "all": [UUID(int=2)], "least": UUID(int=2), "n": [2]},
        {"k": "None", "all": [None], "least": None, "n": [1]},
    ]
