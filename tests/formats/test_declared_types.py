"""Types of `schema`: what the writers write is read back with the same values, and other values fail their row."""

import datetime
import decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datajob.errors import InputError
from datajob.formats.base import Reader, Writer
from datajob.formats.csv import CsvReader, CsvWriter
from datajob.formats.json import JsonReader, JsonWriter
from datajob.formats.types import arrow_type
from tests.support.rows import Bad, read, write

WHEN = datetime.datetime(2024, 2, 29, 23, 59, 59, 123456)
UTC = WHEN.replace(tzinfo=datetime.UTC)
LONG_AGO = datetime.datetime(1, 1, 1)
PLAIN: dict[str, list[Any]] = {
    "int8": [-128, 127],
    "uint64": [0, 2**64 - 1],
    "int64": [-(2**63), 2**63 - 1],
    "double": [0.1, -0.0, 1e300, 5e-324],
    "float32": [0.5, -1.25],
    "float16": [0.5, 65504.0],
    "bool": [True, False],
    "string": ["007", "", '"', "\n", "日本"],
    "date": [WHEN.date(), LONG_AGO.date(), datetime.date(9999, 12, 31)],
    "timestamp[s]": [WHEN.replace(microsecond=0), LONG_AGO],
    "timestamp[ms]": [WHEN.replace(microsecond=123000)],
    "timestamp[us]": [WHEN, LONG_AGO, datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)],
    "timestamp[ns]": [WHEN],
    "timestamp[us, tz=UTC]": [UTC],
    "timestamp[ms, tz=Europe/Berlin]": [UTC.replace(microsecond=123000)],
    "time[s]": [datetime.time(23, 59, 59)],
    "time[ms]": [datetime.time(23, 59, 59, 123000)],
    "time": [datetime.time(0, 0), datetime.time(23, 59, 59, 999999)],
    "time[ns]": [datetime.time(1, 2, 3, 4)],
    "duration[s]": [datetime.timedelta(days=-1), datetime.timedelta(seconds=5)],
    "duration": [datetime.timedelta(microseconds=1), datetime.timedelta(days=100_000, microseconds=1)],
    "duration[ns]": [datetime.timedelta(microseconds=-1)],
    "decimal(38, 10)": [decimal.Decimal("-1234567890123456789012345678.0123456789"), decimal.Decimal("1.10")],
    "decimal(5)": [decimal.Decimal(99999)],
}
IN_JSON: dict[str, list[Any]] = {
    **PLAIN,
    "binary": [b"", b"\x00\xff", b"hello"],
    "list<binary>": [[b"\xff", None], []],
    "list<timestamp[us, tz=UTC]>": [[UTC, None], []],
    "struct<a: date, b: list<time>>": [{"a": WHEN.date(), "b": [datetime.time(1)]}, {"a": None, "b": None}],
    "map<string, int64>": [[("x", 1), ("", None), ("日本", 2**53 + 1)], []],
    "map<string, double>": [[("x", 0.1)]],
    "map<string, list<map<string, duration>>>": [[("x", [[("y", datetime.timedelta(microseconds=1))], None])]],
    "map<string, struct<a: binary, b: decimal(10, 2)>>": [[("x", {"a": b"\xff", "b": decimal.Decimal("1.10")})]],
    "map<int64, string>": [[(1, "a"), (-(2**63), "b")]],
    "struct<m: map<string, bool>, t: timestamp[us]>": [{"m": [("x", True)], "t": WHEN}],
}


def _round_trip(folder: Path, name: str, values: list[Any], writer: Writer, reader: Reader) -> None:
    table = pa.table({"id": range(len(values) + 2), "v": pa.array([*values, None, values[0]], arrow_type(name))})
    write(writer, table)
    bad = Bad()
    back = read(reader, bad)
    assert bad.records == []
    assert back.schema.field("v").type.equals(arrow_type(name))
    assert back.column("v").to_pylist() == table.column("v").to_pylist()


@pytest.mark.parametrize("name", IN_JSON)
def test_json_has_all_declared_types(tmp_path: Path, name: str) -> None:
    reader = JsonReader(paths=(str(tmp_path),), schema={"v": name})
    _round_trip(tmp_path, name, IN_JSON[name], JsonWriter(path=str(tmp_path)), reader)


@pytest.mark.parametrize("name", PLAIN)
def test_csv_has_all_declared_types(tmp_path: Path, name: str) -> None:
    reader = CsvReader(paths=(str(tmp_path),), schema={"v": name})
    _round_trip(tmp_path, name, PLAIN[name], CsvWriter(path=str(tmp_path)), reader)


MISFITS = [
    ("timestamp[us]", '"2024-01-01T00:00:00+02:00"', "a time with a UTC offset is not timestamp[us]"),
    ("timestamp[us]", '"2024-01-01T00:00:00Z"', "a time with a UTC offset"),
    ("timestamp[us]", '"2024-01-01T00:00:00.1234567"', "is not timestamp[us]"),
    ("timestamp[us]", "1700000000", "should be string but is number"),
    ("timestamp[us, tz=UTC]", '"2024-01-01T00:00:00"', "a time without UTC offset"),
    ("list<timestamp[us]>", '["2024-01-01", "2024-01-01T00:00:00Z"]', "a time with a UTC offset"),
    ("struct<a: timestamp[us]>", '{"a": "2024-01-01T00:00:00Z"}', "a time with a UTC offset"),
    ("map<string, timestamp[us]>", '{"a": "2024-01-01T00:00:00Z"}', "column v.a: a time with a UTC offset"),
    ("date", '"2024-02-30"', "is not date32"),
    ("date", '"2024-01-01T00:00:00"', "is not date32"),
    ("time", '"24:00:00"', "is not time64"),
    ("time", '"10"', "is not time64"),
    ("time", '"10:00:00+02:00"', "UTC offset"),
    ("duration", "0.0000001", "'1e-07' is not exactly duration[us]"),
    ("duration", '"PT1S"', "duration"),
    ("decimal(10, 2)", "1.234", "'1.234' is not exactly decimal128(10, 2)"),
    ("binary", '"hello!"', "'hello!' is not base64"),
    ("list<binary>", '["aGVsbG8=", "%"]', "'%' is not base64"),
    ("map<string, int64>", "[1]", "column v should be object but is array"),
    ("map<string, int64>", '{"a": 1.5}', "column v.a: 1.5 is not int64"),
    ("map<string, int64>", '{"a": {"b": 1}}', "column v.a should be number but is object"),
    ("map<string, double>", '{"a": 9007199254740993}', "cannot be represented exactly as double"),
    ("map<string, int8>", '{"a": 1, "a": 2}', "two members of the same name"),
    ("map<int8, string>", '{"128": "a"}', "128 is not int8"),
    ("map<int8, string>", '{"x": "a"}', "should be number but is string"),
    ("struct<m: map<string, bool>>", '{"m": {"a": 1}}', "column v.m.a should be boolean but is number"),
]


@pytest.mark.parametrize(("name", "value", "reason"), MISFITS)
def test_a_json_value_that_does_not_fit_fails_its_row(tmp_path: Path, name: str, value: str, reason: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"id": 1, "v": null}}\n{{"id": 2, "v": {value}}}\n{{"id": 3}}\n')
    bad = Bad()
    assert read(JsonReader(paths=(str(tmp_path),), schema={"v": name}), bad).column("id").to_pylist() == [1, 3]
    assert [reason in why for why in bad.reasons] == [True], bad.reasons


@pytest.mark.parametrize(
    ("name", "value"),
    [("timestamp[us]", "2024-01-01T00:00:00Z"), ("time", "24:00:00"), ("duration", "x"), ("date", "2024-02-30")],
)
def test_a_csv_value_that_does_not_fit_fails_its_row(tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / "a.csv").write_text(f"id,v\n1,\n2,{value}\n3,\n")
    bad = Bad()
    assert read(CsvReader(paths=(str(tmp_path),), schema={"v": name}), bad).column("id").to_pylist() == [1, 3]
    assert len(bad.records) == 1


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("double", "9007199254740993", None),
        ("double", "9007199254740992", 9007199254740992.0),
        ("double", "100000000000000000000", 1e20),
        ("double", "0.12345678901234567890", 0.12345678901234568),
        ("float32", "16777217", None),
        ("float32", "16777216", 16777216.0),
        ("float16", "2049", None),
        ("float16", "2050", 2050.0),
        ("double", "1e400", None),
    ],
)
def test_a_declared_floating_point_type_rounds_fractions_but_no_integer(
    tmp_path: Path, name: str, text: str, value: float | None
) -> None:
    (tmp_path / "a.csv").write_text(f"id,v\n1,{text}\n")
    bad = Bad()
    found = read(CsvReader(paths=(str(tmp_path),), schema={"v": name}), bad).column("v").to_pylist()
    assert found == ([] if value is None else [value])
    assert [f"{text!r} cannot be represented exactly" in reason for reason in bad.reasons] == [True] * (value is None)


def test_a_declared_csv_column_that_no_file_has_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,score\n1,2\n")
    (tmp_path / "b.csv").write_text("id,extra\n1,2\n")
    with pytest.raises(InputError, match=r"schema: .* has no column scroe; did you mean score\?"):
        read(CsvReader(paths=(str(tmp_path),), schema={"scroe": "double"}))
    assert read(CsvReader(paths=(str(tmp_path),), schema={"extra": "double"})).column("extra").to_pylist() == [None, 2.0]


def test_a_declared_partition_that_no_file_has_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "year=2024").mkdir()
    (tmp_path / "year=2024" / "a.csv").write_text("id\n1\n")
    with pytest.raises(InputError, match=r"partitionTypes: .* has no partition yaer; did you mean year\?"):
        read(CsvReader(paths=(str(tmp_path),), partition_types={"yaer": "int64"}))
