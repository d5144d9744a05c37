from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datajob.errors import InvalidJob, RowsFailed
from datajob.formats.types import arrow_type
from datajob.operators.base import Batch
from datajob.operators.table.cast import Cast
from tests.support.local_jobs import make_job, read_manifest, run, write_parts

INF = float("inf")


def cast(values, name):
    return Cast(columns={"v": name}).apply(Batch(pa.table({"v": values}))).column("v")


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        (["1", None, "-20"], "int64", [1, None, -20]),
        (["1.5"], "float64", [1.5]),
        (["1.5"], "double", [1.5]),
        ([1, None], "string", ["1", None]),
        ([1.0, 2.0], "int", [1, 2]),
        (["2020-01-02"], "date", [date(2020, 1, 2)]),
        (["2020-01-02 03:04:05"], "timestamp[us]", [datetime(2020, 1, 2, 3, 4, 5)]),
        (["2020-01-02T03:04:05Z"], "timestamp[ms, tz=UTC]", [datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)]),
        (["1.25"], "decimal(10, 2)", [Decimal("1.25")]),
        ([b"abc"], "string", ["abc"]),
        (["true", "0"], "bool", [True, False]),
        ([["1", None], None], "list<int64>", [[1, None], None]),
        ([], "int64", []),
        ([None, None], "string", [None, None]),
    ],
)
def test_values_are_cast_to_the_type(values, name, expected):
    out = cast(values, name)
    assert out.to_pylist() == expected
    assert out.type == arrow_type(name)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["1x"], "int64"),
        ([300], "int8"),
        ([-1], "uint8"),
        ([1.5], "int64"),
        ([b"\xff"], "string"),
        (["1.255"], "decimal(10, 2)"),
        ([[1]], "int64"),
        (["yesterday"], "date"),
    ],
)
def test_a_value_that_does_not_fit_raises_and_names_the_column(values, name):
    with pytest.raises(ValueError, match="column `v` cannot be cast to"):
        cast(values, name)


def test_an_unknown_type_is_refused_when_the_job_is_read():
    with pytest.raises(ValidationError, match="did you mean int64"):
        Cast(columns={"v": "int46"})


def test_a_missing_column_is_an_error_of_the_job():
    with pytest.raises(InvalidJob, match="did you mean `v`"):
        Cast(columns={"V": "int64"}).apply(Batch(pa.table({"v": [1]})))


def test_the_columns_before_and_after_are_known():
    assert Cast(columns={"v": "int64"}).inputs() == ("v",)
    assert Cast(columns={"v": "int64"}).outputs(("u", "v")) == ("u", "v")


@pytest.mark.parametrize(
    ("column", "name"),
    [
        (pa.array([datetime(2020, 1, 1, 13)]), "date"),
        (pa.array([datetime(2020, 1, 1, 0)], pa.timestamp("us", "Asia/Tokyo")), "date"),
        (pa.array([1e300]), "float32"),
        (pa.array([1e10]), "float16"),
        (pa.array([Decimal("12345678901234567890.12")]), "double"),
        (pa.array([[2]]), "list<bool>"),
        (pa.array([None, [["0.1234567890123456789"]]]), "list<list<double>>"),
        (pa.array([[("a", 2)]], pa.map_(pa.string(), pa.int64())), "map<string, bool>"),
        (pa.array([{"a": 0, "b": 2}]), "struct<a: int64, b: bool>"),
        (pa.array([{"a": 1, "b": 2}]), "struct<a: int64>"),
        (pa.array([[{"a": 1, "b": 2}]]), "list<struct<a: int64, c: int64>>"),
    ],
)
def test_a_value_that_would_lose_a_part_fails(column, name):
    with pytest.raises(ValueError, match="column `v` cannot be cast to"):
        cast(column, name)


def test_nested_values_and_midnights_are_cast():
    midnight = pa.array([datetime(2020, 1, 1, 15), None], pa.timestamp("us", "Asia/Tokyo"))
    assert cast(midnight, "date").to_pylist() == [date(2020, 1, 2), None]
    assert cast([0.1, INF, None], "float32").to_pylist() == [pytest.approx(0.1), INF, None]
    assert cast([[{"a": 1}], None], "list<struct<b: string, a: double>>").to_pylist() == [[{"b": None, "a": 1.0}], None]
    assert cast(pa.array([[5], [1, 0], None]).slice(1), "list<bool>").to_pylist() == [[True, False], None]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["9007199254740993"], "float64"),
        (["1e400"], "float64"),
        (["0.12345678901234567890"], "float64"),
        (["16777217"], "float32"),
        ([2**53 + 1], "float64"),
        ([1.999], "decimal(10, 2)"),
        ([2], "bool"),
        ([0.5], "bool"),
        ([float("nan")], "int64"),
        ([1e20], "int64"),
        (["2024-02-30"], "date"),
        (["99999999999999999999"], "int64"),
    ],
)
def test_a_value_that_would_become_another_one_fails(values, name):
    with pytest.raises(ValueError, match="column `v` cannot be cast to"):
        cast(values, name)


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        (["9007199254740992", "-1e3", "0.1", "inf", "-Infinity", None], "float64", [2.0**53, -1000, 0.1, INF, -INF, None]),
        (["16777216", "0.5"], "float32", [16777216, 0.5]),
        ([1, 0, None], "bool", [True, False, None]),
        ([2.5, None], "decimal(10, 1)", [Decimal("2.5"), None]),
    ],
)
def test_a_value_that_survives_is_cast(values, name, expected):
    assert cast(values, name).to_pylist() == expected
    assert cast(pa.array(values).dictionary_encode(), name).to_pylist() == expected


def test_not_a_number_stays_what_it_is():
    assert all(value != value for value in cast(["nan", "NaN"], "float64").to_pylist())
    assert cast([float("nan")], "float32").to_pylist()[0] != 0


def test_a_cast_that_no_value_survives_ends_the_job(tmp_path):
    write_parts(tmp_path / "in", [{"v": {"a": 1}}], 1)
    job = make_job(tmp_path / "in", tmp_path / "out", [{"cast": {"columns": {"v": "string"}}}], errors={"policy": "drop"})
    with pytest.raises(RowsFailed, match="column `v` cannot be cast to string"):
        run(job)


INTERVALS = pa.array([(0, 400, 1_500_000_000), None, (0, -1, 0)], pa.month_day_nano_interval())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("duration[us]", [timedelta(400, 1.5), None, timedelta(-1)]),
        ("duration[ms]", [timedelta(400, 1.5), None, timedelta(-1)]),
        ("string", ["P0M400DT1.500000000S", None, "P0M-1DT0.000000000S"]),
    ],
)
def test_intervals_can_be_cast_to_types_that_parquet_stores(kind, expected):
    for rows in (INTERVALS, pa.concat_arrays([INTERVALS, INTERVALS]).slice(3)):
        table = Cast(columns={"x": kind}).apply(Batch(pa.table({"x": rows})))
        assert table.column("x").to_pylist() == expected


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ((1, 0, 0), "duration[us]", "months has no fixed length; cast it to `string`"),
        ((0, 0, 1), "duration[us]", "fraction"),
        ((0, 2**31 - 1, 0), "duration[ns]", "overflow"),
        ((0, 1, 0), "int64", "cannot be cast to int64"),
    ],
)
def test_an_interval_that_a_duration_cannot_represent_fails_its_row(value, kind, message):
    with pytest.raises(ValueError, match=message):
        Cast(columns={"x": kind}).apply(Batch(pa.table({"x": pa.array([value], pa.month_day_nano_interval())})))


def test_an_interval_in_a_parquet_sink_names_the_cast(tmp_path):
    write_parts(tmp_path / "in", [{"a": datetime(2024, 1, 2), "b": datetime(2024, 1, 1)}], 1)
    difference = {"compute": {"columns": {"x": "a - b"}}}
    with pytest.raises(InvalidJob, match=r"Use `cast: \{columns: \{x: 'duration\[us\]'\}\}`, or `string`"):
        run(make_job(tmp_path / "in", tmp_path / "out", [difference]))
    run(make_job(tmp_path / "in", tmp_path / "out", [difference, {"cast": {"columns": {"x": "duration[us]"}}}]))
    assert read_manifest(tmp_path / "out")[0]["x"] == timedelta(1)
