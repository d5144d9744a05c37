"""Files of Parquet have the same values in pyarrow, polars and DuckDB, and contain no type that Spark refuses."""

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.errors import InvalidJob
from datajob.formats.parquet import ParquetReader, ParquetWriter
from tests.support.arrow_values import FIRST, LAST, NOON, neutral, scalars

IN_UTC = NOON.replace(tzinfo=dt.UTC)
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


NOT_IN_PARQUET = ("date64", "duration", "decimal256")
"""Types that some programs read as other types; see `test_every_type`."""


def test_values_within_lists_are_the_same_in_every_reader(tmp_path: Path) -> None:
    wrong = {}
    for number, (kind, values) in enumerate(scalars().items()):
        if str(kind).startswith(NOT_IN_PARQUET):
            continue
        rows = [[value] for value in values] + [[None], [], None]
        path = write(tmp_path / str(number), pa.table({"c": pa.array(rows, pa.list_(kind))}))
        for reader, function in READERS.items():
            found = function(path).column("c").to_pylist()
            if neutral(found) != neutral(rows):
                wrong[f"{kind} {reader}"] = found
    assert not wrong


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
    with pytest.raises(
        InvalidJob, match=r"sink\.parquet: column t contains a value that microseconds cannot represent.*`types: exact`"
    ):
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
