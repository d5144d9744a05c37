"""Write the row groups of a Parquet file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob, private
from datajob.formats._columns import data_bytes, empty_table, leaves
from datajob.formats._features import ROW_GROUP_ROWS
from datajob.formats._parquet_portable import as_stored
from datajob.formats._parquet_types import are_days
from datajob.media.values import is_media

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

DICTIONARY_SAMPLE = 4096
MEDIA_PAGE_ROWS = 16
"""Rows after which the size of a page with media is checked. By default, pyarrow writes pages of at least 1,024 rows, which can
have hundreds of megabytes, and a page is read as a whole."""


class ParquetEncoder:
    """Collects rows for a row group, then writes it."""

    def __init__(
        self,
        stream: pa.NativeFile,
        schema: pa.Schema,
        compression: str,
        compression_level: int | None,
        row_group_bytes: int,
        described: Callable[[pa.Schema, pa.Table], pa.Schema] = lambda schema, _: schema,
    ) -> None:
        """`described` returns the schema with its metadata, given the first rows."""
        self._stream, self._schema, self._row_group_bytes = stream, schema, row_group_bytes
        self._described = described
        self._media = any(is_media(kind) for kind in schema.types)
        self._row_group_rows = ROW_GROUP_ROWS if self._media else sys.maxsize
        self._rows = 0
        self._compression, self._level = compression, compression_level
        self._writer: pq.ParquetWriter | None = None
        self._footers: list[pq.FileMetaData] = []
        self._waiting: list[pa.Table] = []
        self.held = 0

    def write(self, table: pa.Table) -> None:
        """Collect rows until there are enough for a row group."""
        table = as_stored(table, self._schema)
        limit = self._row_group_bytes
        rows = max(1, table.num_rows * limit // max(1, data_bytes(table)))
        start = 0
        while start < table.num_rows:
            part = table.slice(start, min(rows, self._row_group_rows - self._rows))
            start += part.num_rows
            self._waiting.append(part)
            self.held += data_bytes(part)
            self._rows += part.num_rows
            if self.held >= limit or self._rows >= self._row_group_rows:
                self.flush()

    def flush(self) -> None:
        """Write the collected rows as a row group."""
        import pyarrow as pa

        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        _check_days(table)
        self._waiting, self.held, self._rows = [], 0, 0
        if self._writer is None:
            self._writer = self._new_writer(table)
        try:
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        except pa.ArrowInvalid as error:  # seconds that are too many for the milliseconds that Parquet has
            raise InvalidJob(
                f"sink.parquet: Parquet cannot store a value{private(f': {error}')}. Add a `cast` step."
            ) from error

    def _new_writer(self, first: pa.Table) -> pq.ParquetWriter:
        import pyarrow.parquet as pq

        repeating: Any = [name for name in self._schema.names if _repeats(first.column(name))]
        return pq.ParquetWriter(
            self._stream,
            self._described(self._schema, first),
            write_page_index=self._media,
            write_batch_size=MEDIA_PAGE_ROWS if self._media else None,
            compression=self._compression,
            compression_level=self._level,
            use_dictionary=repeating or False,
            write_page_checksum=True,
            metadata_collector=self._footers,
            write_statistics=[name for name in self._schema.names if not _long(first.column(name))] or False,
        )

    @property
    def footer(self) -> pq.FileMetaData:
        """The footer of the finished file."""
        return self._footers[0]

    def finish(self) -> None:
        """Write the last row group and the footer."""
        self.flush()
        if self._writer is None:  # no rows
            self._writer = self._new_writer(empty_table(self._schema))
        self._writer.close()


def _check_days(table: pa.Table) -> None:
    """Raise InvalidJob for a date64 that is not one of the days that Parquet can represent. pyarrow would store another day."""
    import pyarrow as pa

    for name, column in zip(table.column_names, table.columns, strict=True):
        if "date64" not in str(column.type):
            continue
        dates = (leaf for chunk in column.chunks for leaf in leaves(chunk) if pa.types.is_date64(leaf.type))
        if not all(map(are_days, dates)):
            raise InvalidJob(
                f"sink.parquet: column {name} contains a date64 that is not a day within the range of Parquet. "
                "Convert it with a `cast` step, for example to timestamp[ms]."
            )


def _repeats(column: pa.ChunkedArray[Any]) -> bool:
    """Whether a dictionary is useful: at most half of the first values are distinct. It is expensive if texts never repeat."""
    import pyarrow as pa
    import pyarrow.compute as pc

    head: Any = _storage(column.slice(0, DICTIONARY_SAMPLE))
    if not len(head) or pa.types.is_nested(head.type) or pa.types.is_boolean(head.type) or _long(head):
        return False
    try:
        return bool(pc.count_distinct(head, mode="all").as_py() * 2 <= len(head))
    except pa.ArrowNotImplementedError:  # dictionaries and views: values repeat
        return bool(pa.types.is_dictionary(head.type))


def _long(column: pa.ChunkedArray[Any]) -> bool:
    """Whether the values are texts or bytes that are too long for useful minimum and maximum statistics."""
    import pyarrow as pa

    kind = _storage(column.slice(0, 0)).type
    variable = pa.types.is_string(kind) or pa.types.is_binary(kind)
    return bool(variable and column.nbytes > 64 * max(1, len(column)))


def _storage(column: Any) -> Any:
    """A column without its extension type."""
    import pyarrow as pa

    if not isinstance(column.type, pa.BaseExtensionType):
        return column
    return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
