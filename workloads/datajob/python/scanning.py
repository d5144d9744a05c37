"""Results as lazy frames of Polars, and as streams of Arrow record batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from datajob.formats._columns import project
from datajob.formats.parquet import ParquetReader
from datajob.formats.storage import scheme_of

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from datajob.python.reading import ResultReader


def stream(reader: ResultReader) -> pa.RecordBatchReader:
    """The rows of all files in order, read file by file while the stream is consumed."""
    import pyarrow as pa

    schema = reader.empty().schema
    batches = (batch for table in _tables(reader) for batch in table.cast(schema).to_batches())
    return pa.RecordBatchReader.from_batches(schema, batches)


def scan(reader: ResultReader) -> pl.LazyFrame:
    """The rows of all files. Only the columns and rows that a query needs are read."""
    import polars as pl
    from polars.io.plugins import register_io_source

    if _same_parquet_files(reader):
        return pl.scan_parquet([file.path for file in reader.files], hive_partitioning=False, glob=False)

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch_rows: int | None
    ) -> Iterator[pl.DataFrame]:
        left = rows
        for table in _tables(reader, columns):
            frame = pl.DataFrame(table)[:left]
            left = None if left is None else left - len(frame)
            yield frame if predicate is None else frame.filter(predicate)
            if left == 0:
                return

    return register_io_source(read, schema=pl.DataFrame(reader.empty()).schema)


def _tables(reader: ResultReader, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The tables of all files with these columns. Columns that are not needed are not read."""
    if columns is not None and reader.media is None:
        reader = replace(reader, schema=project(reader.schema, columns, "the result"))
    for file in reader.files:
        for table in reader.read(file):
            yield table if columns is None else table.select(columns)


def _same_parquet_files(reader: ResultReader) -> bool:
    """Whether Polars reads the files as they are: local Parquet files with the same columns, which no folder contains."""
    import pyarrow.parquet as pq

    files = reader.files
    if type(reader.reader) is not ParquetReader or any(file.partition or scheme_of(file.path) for file in files):
        return False
    return all(pq.read_schema(file.path).equals(reader.schema) for file in files)
