"""Types and names of Parquet columns: preserved, or an error that names the column."""

import datetime
import decimal
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.errors import InputError, InvalidJob, SinkError
from datajob.formats.parquet import ParquetReader, ParquetWriter
from datajob.formats.types import arrow_type
from tests.support.rows import read, write


def reader(path: Path, **parameters: object) -> ParquetReader:
    return ParquetReader(paths=(str(path),), **parameters)


def nested(levels: int, of_structs: bool) -> pa.DataType:
    kind: pa.DataType = pa.int64()
    for _ in range(levels):
        kind = pa.struct([("a", kind)]) if of_structs else pa.list_(kind)
    return kind


@pytest.mark.parametrize(("levels", "of_structs"), [(16, False), (21, False), (300, False), (60, True), (97, True), (99, True)])
def test_a_type_is_an_error_before_writing_or_every_reader_reads_the_file(
    tmp_path: Path, levels: int, of_structs: bool
) -> None:
    table = pa.table({"id": [1], "c": pa.array([None], nested(levels, of_structs))})
    try:
        (file,) = write(ParquetWriter(path=str(tmp_path)), table)
    except InvalidJob as error:
        assert "column c has a type that Parquet cannot store" in str(error)
        assert list(tmp_path.iterdir()) == []
        assert levels >= (99 if of_structs else 21)
        return
    assert pq.ParquetFile(tmp_path / file.path).read().equals(table)
    assert duckdb.sql(f"SELECT id, c IS NULL FROM '{tmp_path / file.path}'").fetchall() == [(1, True)]
    assert levels < (99 if of_structs else 21)


@pytest.mark.parametrize(
    "kind", [pa.month_day_nano_interval(), pa.struct([]), pa.dense_union([pa.field("a", pa.int8())]), pa.list_(pa.struct([]))]
)
def test_the_error_about_an_unsupported_type_names_the_column(tmp_path: Path, kind: pa.DataType) -> None:
    with pytest.raises(InvalidJob, match=r"column odd has a type that Parquet cannot store .*`cast"):
        ParquetWriter(path=str(tmp_path)).open(str(tmp_path), "0", pa.schema([("id", pa.int64()), ("odd", kind)]))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (pa.list_(pa.string(), 0), "fixed size 0"),
        (pa.struct([("a", pa.list_(pa.list_(pa.int64(), 0)))]), "fixed size 0"),
        (pa.map_(pa.string(), pa.list_(pa.list_(pa.int64(), 0), 2)), "fixed size 0"),
        (pa.struct([("", pa.int64()), ("b", pa.null())]), "without a name"),
        (pa.struct([("a", pa.struct([("", pa.null())]))]), "without a name"),
    ],
    ids=str,
)
def test_a_type_that_a_reader_fails_on_is_an_error_before_anything_is_written(
    tmp_path: Path, kind: pa.DataType, why: str
) -> None:
    with pytest.raises(InvalidJob, match=rf"column odd .*{why}.*`cast` or `compute`"):
        ParquetWriter(path=str(tmp_path)).open(str(tmp_path), "0", pa.schema([("id", pa.int64()), ("odd", kind)]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ticks", [259_200_005, 86_400_000 * 2**31, -86_400_000 * (2**31 + 1), 2**62])
@pytest.mark.parametrize("nested", [False, True])
def test_a_date64_that_would_become_another_day_is_an_error(tmp_path: Path, ticks: int, nested: bool) -> None:
    dates = pa.array([0, None, ticks], pa.int64()).cast(pa.date64())
    column = pa.StructArray.from_arrays([dates], ["d"]) if nested else dates
    with pytest.raises(InvalidJob, match="column c contains a date64 that is not a day"):
        write(ParquetWriter(path=str(tmp_path)), pa.table({"c": column}))


@pytest.mark.parametrize("day", [0, 2**31 - 1, -(2**31)])
def test_every_day_of_a_date64_within_the_range_of_parquet_is_preserved(tmp_path: Path, day: int) -> None:
    dates = pa.array([86_400_000 * day, None], pa.int64()).cast(pa.date64())
    write(ParquetWriter(path=str(tmp_path)), pa.table({"c": dates}))
    assert read(reader(tmp_path)).column(0).cast(pa.int32()).to_pylist() == [day, None]


NESTED: list[tuple[Callable[[pa.DataType], pa.DataType], Callable[[Any], list[Any]]]] = [
    (pa.list_, lambda v: [[v, None], [], None]),
    (pa.large_list, lambda v: [[v, None, v], [], None]),
    (lambda kind: pa.list_(kind, 2), lambda v: [[v, None], None, [v, v]]),
    (
        lambda kind: pa.struct([("x", kind), ("y", pa.large_string())]),
        lambda v: [{"x": v, "y": "a"}, None, {"x": None, "y": None}],
    ),
    (lambda kind: pa.map_(pa.large_string(), kind), lambda v: [[("k", v), ("l", None)], [], None]),
]


@pytest.mark.parametrize("leaf", [pa.int64(), pa.string(), pa.binary(4), pa.null()], ids=str)
def test_nested_types_are_read_back_with_the_same_values(tmp_path: Path, leaf: pa.DataType) -> None:
    value = {"int64": 1, "string": "é", "fixed_size_binary[4]": b"abcd", "null": None}[str(leaf)]
    columns: dict[str, pa.Array] = {}
    for depth in (1, 2, 3):
        for number, forms in enumerate(product(NESTED, repeat=depth)):
            kind, made = leaf, [value]
            for wrap, rows in reversed(forms):
                kind, made = wrap(kind), [row for inner in made[:2] for row in rows(inner)]
            columns[f"{depth}-{number}"] = pa.array((made * 12)[:12], kind)
    table = pa.table(columns)
    (file,) = write(ParquetWriter(path=str(tmp_path)), table)
    expected = table.to_pylist()
    assert pq.ParquetFile(tmp_path / file.path).read().to_pylist() == expected
    assert read(reader(tmp_path)).to_pylist() == expected
    with duckdb.connect() as connection:
        assert connection.sql(f"SELECT * FROM '{tmp_path / file.path}'").to_arrow_table().num_rows == 12


@pytest.mark.parametrize(
    "array",
    [
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(range(16)), None], pa.binary(16))),
        pa.array(['{"a":1.10}', None]).cast(pa.json_()),
        pa.array(["x", None]).dictionary_encode(),
        pa.array(["x", None], pa.string_view()),
        pa.array([1.5, None], pa.float16()),
        pa.array([None, 2932897], pa.date32()),
        pa.array([None, 2**62], pa.timestamp("us")),
        pa.array([b"ab", None], pa.binary(2)),
        pa.array([decimal.Decimal("1.1"), None], pa.decimal256(70, 2)),
    ],
    ids=lambda array: str(array.type),
)
def test_values_of_any_type_are_preserved(tmp_path: Path, array: pa.Array) -> None:
    table = pa.table({"c": array})
    write(ParquetWriter(path=str(tmp_path), types="exact"), table)
    back = read(ParquetReader(paths=(str(tmp_path),)))
    assert back.num_rows == 2
    plain = pa.chunked_array([array.dictionary_decode()]) if isinstance(array, pa.DictionaryArray) else table.column(0)
    assert back.column(0).cast(plain.type).equals(plain)
    if isinstance(array.type, pa.JsonType | pa.UuidType):
        assert back.schema.field(0).type == array.type


@pytest.mark.parametrize(
    "schema",
    [
        pa.schema([("x", pa.int64()), ("x", pa.string())]),
        pa.schema([("a", pa.list_(pa.struct([pa.field("x", pa.int64()), pa.field("x", pa.string())])))]),
    ],
)
def test_two_columns_with_the_same_name_are_an_error(tmp_path: Path, schema: pa.Schema) -> None:
    pq.write_table(schema.empty_table(), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet: two columns or fields have the name 'x'"):
        read(reader(tmp_path))


def test_partition_columns_have_the_declared_types(tmp_path: Path) -> None:
    rows = pa.table({"year": [1999, 10000, None], "day": ["2024-01-02", "007", "x"], "x": [1, 2, 3]})
    write(ParquetWriter(path=str(tmp_path), partition_by=("year", "day")), rows)
    assert sorted(row["year"] or "" for row in read(reader(tmp_path)).to_pylist()) == ["", "10000", "1999"]
    table = read(reader(tmp_path, partition_types={"year": "int64"}))
    assert {(row["year"], row["day"]) for row in table.to_pylist()} == {(1999, "2024-01-02"), (10000, "007"), (None, "x")}
    with pytest.raises(
        InputError, match=r"the value 'x' of the partition day is not int64|value '2024-01-02' of the partition day"
    ):
        read(reader(tmp_path, partition_types={"day": "int64"}))


@pytest.mark.parametrize(
    "kind", ["time", "time[s]", "duration", "date", "timestamp[us, tz=UTC]", "decimal(5, 2)", "bool", "float16"]
)
def test_partition_values_have_any_declared_type(tmp_path: Path, kind: str) -> None:
    text = {
        "time": "01:02:03",
        "date": "2024-02-29",
        "duration": "1.5",
        "decimal(5, 2)": "1.50",
        "bool": "true",
        "float16": "0.5",
    }
    value = text.get(kind) or ("01:02:03" if "time[" in kind else "2024-02-29 01:02:03Z")
    write(ParquetWriter(path=str(tmp_path), partition_by=("p",)), pa.table({"p": [value, None], "x": [1, 2]}))
    table = read(reader(tmp_path, partition_types={"p": kind}))
    assert table.schema.field("p").type.equals(arrow_type(kind))
    assert sorted(table.column("p").is_null().to_pylist()) == [False, True]


@pytest.mark.parametrize(
    "kind",
    [
        *("time", "duration[ns]", "list<duration>", "struct<a: time>", "map<string, binary>", "decimal(38, 2)", "float16"),
        *("binary", "list<list<string>>", "timestamp[s, tz=Mars/Olympus]"),
    ],
)
def test_a_column_that_some_files_lack_is_null_there(tmp_path: Path, kind: str) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"x": [2], "v": pa.nulls(1, arrow_type(kind))}), tmp_path / "2.parquet")
    table = read(reader(tmp_path))
    assert table.column("x").to_pylist() == [1, 2]
    assert table.column("v").null_count == 2


INSTANTS = [datetime.datetime(1, 1, 1), datetime.datetime(1582, 10, 15), datetime.datetime(2024, 1, 1, 1, 2, 3, 4), None]


@pytest.mark.parametrize("nested", [False, True])
def test_timestamps_of_spark_keep_their_year(tmp_path: Path, nested: bool) -> None:
    values = [*INSTANTS, datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)]
    column = pa.array(
        [[v] for v in values] if nested else values, pa.list_(pa.timestamp("us")) if nested else pa.timestamp("us")
    )
    pq.write_table(pa.table({"t": column}), tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    assert read(reader(tmp_path)).column("t").to_pylist() == column.to_pylist()


def test_nanoseconds_of_spark_are_not_rounded(tmp_path: Path) -> None:
    table = pa.table({"t": pa.array([1_000_000_001, 0], pa.timestamp("ns")), "id": [1, 2]})
    pq.write_table(table, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    with pytest.raises(InputError, match="column t contains timestamps of the type INT96 with nanoseconds"):
        read(reader(tmp_path))
    assert read(reader(tmp_path, columns=("id",))).column("id").to_pylist() == [1, 2]


def test_long_partition_values_in_any_script_fit_or_are_an_error(tmp_path: Path) -> None:
    long = "港口因为风暴关闭了三天渡轮在外面等待这是一个足够长的段落提取" * 2
    write(ParquetWriter(path=str(tmp_path), partition_by=("k",)), pa.table({"k": [long, "a/b=c%"], "x": [1, 2]}))
    assert {row["k"] for row in read(reader(tmp_path)).to_pylist()} == {long, "a/b=c%"}
    with pytest.raises(SinkError, match=r"partitionBy: the value .* of k requires a folder name of 302 bytes"):
        write(ParquetWriter(path=str(tmp_path / "out"), partition_by=("k",)), pa.table({"k": ["x" * 300], "x": [1]}))


def test_values_that_cannot_be_the_name_of_a_folder_are_an_error(tmp_path: Path) -> None:
    writer = ParquetWriter(path=str(tmp_path), partition_by=("k",))
    with pytest.raises(InvalidJob, match=r"column k is list<.*>, which cannot be the name of a folder"):
        write(writer, pa.table({"k": [["a"]], "x": [1]}))
    with pytest.raises(SinkError, match=r"a value of k \(binary\) is not text .* as in `hex\(k\)`"):
        write(writer, pa.table({"k": [b"\xff"], "x": [1]}))
