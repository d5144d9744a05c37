"""Arrow to JSON lines by DuckDB, whole columns at once; row by row in Python only for what DuckDB's types cannot hold."""

from __future__ import annotations

import base64
import datetime
import json
import math
import warnings
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

GZIP_LEVEL = 6
ENDINGS = {"none": "", "gzip": ".gz", "zstd": ".zst"}
"""What a compressed file has behind its extension."""


class JsonEncoder:
    """Writes tables as JSON lines to a stream, compressed as one of ENDINGS says.

    What JSON lacks becomes what it has: times ISO 8601 (UTC where they have a zone), durations seconds, bytes
    base64, NaN and infinity null.
    """

    held = 0

    def __init__(self, stream: pa.NativeFile, compression: str) -> None:
        import duckdb

        self._connection = duckdb.connect(":memory:", config={"threads": 1})
        self._sink = compressed(stream, compression)

    def write(self, table: pa.Table) -> None:
        """One line per row."""
        import duckdb

        try:
            for lines in self._lines(table):
                self._sink.write(_bytes_of(lines))
        except (duckdb.Error, _NestedOddityError):
            for row in _rows(table):
                self._sink.write(json.dumps(plain(row), ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def _lines(self, table: pa.Table) -> list[Any]:
        import pyarrow as pa

        names = [f"c{i}" for i in range(table.num_columns)]
        pairs = ("'" + name.replace("'", "''") + f"', c{i}" for i, name in enumerate(table.column_names))
        ready = pa.table([json_column(column) for column in table.columns], names=names)
        self._connection.register("batch", ready)
        query = f"SELECT json_object({', '.join(pairs)})::VARCHAR || chr(10) AS line FROM batch"  # noqa: S608 (quoted above)
        found: list[Any] = self._connection.sql(query).to_arrow_table().column(0).chunks
        self._connection.unregister("batch")
        return found

    def flush(self) -> None:
        """Nothing is held back."""

    def finish(self) -> None:
        """End the compression."""
        self._sink.close()
        self._connection.close()


_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as dictionaries; of a key that is twice in a map the last one counts, as for readers of JSON."""
    with warnings.catch_warnings(action="ignore"):
        rows: list[dict[str, Any]] = table.to_pylist(maps_as_pydicts="lossy")
        return rows


class _NestedOddityError(Exception):
    """A list, struct or map holds something that JSON lacks."""


def _bytes_of(texts: Any) -> pa.Buffer:
    """The bytes of an array of strings without nulls, one behind the other; not copied."""
    import pyarrow as pa

    large = texts.cast(pa.large_string())
    _, ends, data = large.buffers()
    first, last = (ends.slice(8 * (large.offset + i), 8).to_pybytes() for i in (0, len(large)))
    start = int.from_bytes(first, "little")
    bytes_of: pa.Buffer = data.slice(start, int.from_bytes(last, "little") - start)
    return bytes_of


def json_column(column: Any) -> Any:
    """A column with values that DuckDB writes as JSON. Raises _NestedOddityError."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    kind = column.type
    if t.is_nested(kind):
        if any(json_column(leaf) is not leaf for chunk in column.chunks for leaf in _leaves(chunk)):
            raise _NestedOddityError
        return column
    if t.is_timestamp(kind) or t.is_date64(kind):
        utc = column.cast(pa.timestamp(kind.unit, "UTC")) if t.is_timestamp(kind) and kind.tz else column
        return pc.replace_substring(utc.cast(pa.string()), " ", "T")
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_fixed_size_binary(kind):
        return pa.chunked_array([pa.array(map(plain, column.to_pylist()), pa.string())])
    if t.is_duration(kind):
        return pc.divide(column.cast(pa.int64()).cast(pa.float64()), _PER_SECOND[kind.unit])
    if t.is_float16(kind):
        column = column.cast(pa.float32())
    if t.is_floating(kind):
        finite = pc.is_finite(column)
        return column if pc.all(finite, min_count=0).as_py() else pc.if_else(finite, column, None)
    return column


def _leaves(array: Any) -> Iterator[Any]:
    """The arrays of plain values inside of a nested one."""
    import pyarrow.types as t

    kind = array.type
    if t.is_map(kind):
        parts = [array.keys, array.items]
    elif t.is_nested(kind):
        flat = array.flatten()
        parts = flat if t.is_struct(kind) else [flat]
    else:
        yield array
        return
    for part in parts:
        yield from _leaves(part)


def plain(value: Any) -> Any:
    """A Python value as one that JSON has."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, datetime.datetime):
        naive = value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value
        return naive.isoformat(timespec="microseconds") + ("Z" if value.tzinfo else "")
    return value if value is None or isinstance(value, str | int) else str(value)


class ByteSink(Protocol):
    """Takes the bytes of one file."""

    def write(self, data: Any) -> object:
        """Append bytes."""

    def close(self) -> None:
        """Write what ends the compression."""


class _Gzip:
    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream
        self._codec = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)  # 31: with the header of gzip

    def write(self, data: Any) -> None:
        self._stream.write(self._codec.compress(memoryview(data)))

    def close(self) -> None:
        self._stream.write(self._codec.flush())


class _Plain:
    def __init__(self, stream: pa.NativeFile) -> None:
        self.write = stream.write

    def close(self) -> None:
        pass


def compressed(stream: pa.NativeFile, compression: str) -> ByteSink:
    """A sink that compresses to `stream` (one gzip member or zstd frame: some readers stop after the first)."""
    import pyarrow as pa

    if compression == "gzip":
        return _Gzip(stream)
    return pa.CompressedOutputStream(stream, "zstd") if compression == "zstd" else _Plain(stream)
