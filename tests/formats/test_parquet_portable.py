"""Files of Parquet have the same values in pyarrow, polars and DuckDB, and contain no type that Spark refuses."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.errors import InvalidJob
from datajob.formats.parquet import ParquetReader, ParquetWriter

NOON = dt.datetime(2024, 2, 29, 12, 30, 15, 123456)
IN_UTC = NOON.replace(tzinfo=dt.UTC)
LAST = dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
FIRST = dt.datetime(1, 1, 1)
VALUES: dict[Any, list[Any]] = {
    **{kind: [0, 1, 127] for kind in (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32())},
    pa.int64(): [-(2**63), 2**63 - 1],
    pa.uint64(): [0, 2**64 - 1],
    pa.float16(): [np.float16(1.5), np.float16(-65504)],
    pa.float32(): [1.5, -0.0],
    pa.float64(): [1e300, 5e-324],
    pa.bool_(): [True, False],
    pa.string(): ["", "中文"],
    pa.large_string(): ["x"],
    pa.string_view(): ["x"],
    pa.binary(): [b"", b"\x00\xff"],
    pa.decimal128(38, 10): [Decimal("1.0000000001"), Decimal("-9999999999999999999999999999.9999999999")],
    pa.date32(): [dt.date(1, 1, 1), dt.date(9999, 12, 31)],
    pa.timestamp("s"): [NOON.replace(microsecond=0)],
    pa.timestamp("ms"): [NOON.replace(microsecond=123000), LAST.replace(microsecond=999000)],
    pa.timestamp("us"): [NOON, FIRST, LAST],
    pa.timestamp("ns"): [NOON],
    pa.timestamp("us", "UTC"): [IN_UTC],
    pa.timestamp("ns", "UTC"): [IN_UTC],
    pa.time32("ms"): [dt.time(23, 59, 59, 999000)],
    pa.time64("us"): [dt.time(23, 59, 59, 999999)],
    pa.time64("ns"): [dt.time(23, 59, 59, 999999)],
    pa.dictionary(pa.int32(), pa.string()): ["a", "b", "a"],
}
READERS = {
    "ours": lambda path: read(path),
    "pyarrow": lambda path: pq.read_table(path, partitioning=None),
    "polars": lambda path: pl.read_parquet(path).to_arrow(),
    "DuckDB": lambda path: duckdb.connect().read_parquet(str(path)).to_arrow_table(),
}


def read(path: Path, **parameters: Any) -> pa.Table:
    reader = ParquetReader(paths=(str(path),), **parameters)
    files = reader.files()
    schema = reader.schema(files)
    parts = [reader.fragments(file, 1 << 40) for file in files]
    return pa.concat_tables(t for part in parts for f in part for t in reader.read(f, schema, 1 << 20, pytest.fail))


def write(path: Path, table: pa.Table, **parameters: Any) -> Path:
    writer = ParquetWriter(path=str(path), **parameters).open(str(path), "part", table.schema)
    writer.write(table)
    (file,) = writer.close()
    return path / file.path


@pytest.mark.parametrize("reader", READERS)
def test_values_of_every_type_are_the_same_in_every_reader(reader: str, tmp_path: Path) -> None:
    wrong = {}
    for number, (kind, values) in enumerate(VALUES.items()):
        column = pa.array([*values, None], kind)
        nested = pa.array([[value] for value in column.to_pylist()] + [None], pa.list_(kind))
        for name, made in (("plain", column), ("list", nested)):
            found = READERS[reader](write(tmp_path / f"{number}-{name}", pa.table({"c": made}))).column("c").to_pylist()
            if plain(found) != plain(made.to_pylist()):
                wrong[f"{kind} {name}"] = found
    assert not wrong


def plain(value: Any) -> Any:
    """A value without differences in how readers represent it."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.astimezone(dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo else value


@pytest.mark.parametrize("wrap", [lambda k: k, pa.list_, lambda k: pa.struct([("x", k)]), lambda k: pa.map_(pa.string(), k)])
def test_no_file_contains_what_spark_refuses(wrap: Any, tmp_path: Path) -> None:
    table = pa.table({kind: pa.nulls(1, wrap(value)) for kind, value in (("ns", pa.timestamp("ns")), ("h", pa.float16()))})
    table = table.append_column("t", pa.nulls(1, wrap(pa.time64("ns"))))
    for types, refused in (("portable", False), ("exact", True)):
        schema = pq.ParquetFile(write(tmp_path / types, table, types=types)).schema
        stored = " ".join(str(schema.column(i).logical_type) for i in range(len(schema))).lower()
        assert ("nanoseconds" in stored or "float16" in stored) == refused, stored


def test_nanoseconds_are_stored_on_request_and_never_rounded(tmp_path: Path) -> None:
    table = pa.table({"t": pa.array([[1_000_000_001]], pa.list_(pa.timestamp("ns")))})
    with pytest.raises(InvalidJob, match=r"sink\.parquet: column t contains a value with nanoseconds.*`types: exact`"):
        write(tmp_path / "portable", table)
    assert read(write(tmp_path / "exact", table, types="exact")) == table


def test_timestamps_of_spark_are_instants_of_all_years(tmp_path: Path) -> None:
    for place, kind, values in (("a", pa.timestamp("us"), [FIRST, LAST]), ("b", pa.list_(pa.timestamp("us")), [[FIRST, LAST]])):
        table = pa.table({"t": pa.array(values, kind), "other": pa.array([NOON] * len(values), pa.timestamp("us"))})
        pq.write_table(table, tmp_path / f"{place}.parquet", use_deprecated_int96_timestamps=True, store_schema=False)
        found = read(tmp_path / f"{place}.parquet").column("t")
        assert "tz=UTC" in str(found.type)
        assert found.cast(kind).to_pylist() == values


def test_old_and_new_timestamps_of_spark_are_one_column(tmp_path: Path) -> None:
    table = pa.table({"t": pa.array([NOON], pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "old.parquet", use_deprecated_int96_timestamps=True, store_schema=False)
    pq.write_table(table.cast(pa.schema([("t", pa.timestamp("us", "UTC"))])), tmp_path / "new.parquet", store_schema=False)
    assert read(tmp_path).column("t").to_pylist() == [IN_UTC, IN_UTC]
