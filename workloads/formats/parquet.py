"""Parquet: files of row groups."""

from pydantic import Field

from workloads.formats.base import Reader, Writer


class ParquetReader(Reader):
    """Parquet files."""

    suffixes = (".parquet", ".pq")
    columns: tuple[str, ...] | None = Field(default=None, min_length=1, description="Columns to read; all by default.")


class ParquetWriter(Writer):
    """Parquet files."""

    extension = ".parquet"
