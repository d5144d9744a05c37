"""Convert Arrow to JSON Lines with DuckDB by column, and row by row in Python only for types that DuckDB does not support."""

from __future__ import annotations

import json
import re
import warnings
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from datajob.formats._columns import has_json
from datajob.formats._json_values import MAX_DEPTH, is_json
from datajob.formats._plain_values import json_column, json_text

if TYPE_CHECKING:
    import pyarrow as pa

GZIP_LEVEL = 6
ENDINGS = {"none": "", "gzip": ".gz", "zstd": ".zst"}
"""The second extension of a compressed file."""


class JsonEncoder:
    """Writes tables as JSON lines to a stream, compressed according to one of ENDINGS.

    Types that JSON does not have are converted: times to ISO 8601 (UTC if they have a time zone), durations to seconds, bytes
    to base64, NaN and infinity to null. The text of columns of type JSON is written unchanged.
    """

    held = 0

    def __init__(self, stream: pa.NativeFile, compression: str) -> None:
        import duckdb

        self._connection = duckdb.connect(":memory:", config={"threads": 1})
        self._sink = compressed(stream, compression)

    def write(self, table: pa.Table) -> None:
        """One line per row."""
        import duckdb

        raw = [has_json(kind) for kind in table.schema.types]
        columns = [
            _json_texts(column) if is_raw else json_column(column) for column, is_raw in zip(table.columns, raw, strict=True)
        ]
        try:
            if any(map(_is_odd, (column.type for column in columns))):
                raise _OddTypeError
            for lines in self._lines(table.column_names, columns, raw):
                self._sink.write(_bytes_of(lines))
        except (duckdb.Error, _OddTypeError):
            for line in _slow_lines(table.column_names, columns, raw):
                self._sink.write(line.encode() + b"\n")

    def _lines(self, names: list[str], columns: list[Any], raw: list[bool]) -> list[Any]:
        import pyarrow as pa

        self._connection.register("batch", pa.table(columns, names=[f"c{i}" for i in range(len(columns))]))
        query = f"SELECT {_object(names, raw)} || chr(10) AS line FROM batch"  # noqa: S608 (quoted there)
        found: list[Any] = self._connection.sql(query).to_arrow_table().column(0).chunks
        self._connection.unregister("batch")
        return found

    def flush(self) -> None:
        """Nothing is buffered."""

    def finish(self) -> None:
        """End the compression."""
        self._sink.close()
        self._connection.close()


def json_objects(table: pa.Table) -> list[bytes]:
    """The JSON object of each row, as `JsonEncoder` writes it."""
    import pyarrow as pa

    lines = pa.BufferOutputStream()
    encoder = JsonEncoder(lines, "none")
    encoder.write(table)
    encoder.finish()
    written: bytes = lines.getvalue().to_pybytes()
    return written.split(b"\n")[:-1]


def json_values(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    """Each value of a column as JSON text, as `JsonEncoder` writes it."""
    import pyarrow as pa

    objects = json_objects(pa.table({"": column}))
    nulls = column.is_null().to_pylist()
    texts = (line.removeprefix(b'{"":').removesuffix(b"}") for line in objects)
    return pa.array([None if is_null else text for text, is_null in zip(texts, nulls, strict=True)], pa.string())


def _object(names: list[str], raw: list[bool]) -> str:
    """SQL for the text of a row: runs of columns by DuckDB, with JSON text inserted unchanged."""
    runs: list[tuple[bool, list[int]]] = []
    for i, is_raw in enumerate(raw):
        if is_raw or not runs or runs[-1][0]:
            runs.append((is_raw, []))
        runs[-1][1].append(i)
    if [is_raw for is_raw, _ in runs] == [False]:
        return f"json_object({_pairs(names, runs[0][1])})::VARCHAR"
    parts = []
    for is_raw, columns in runs:
        if is_raw:
            key = json.dumps(names[columns[0]], ensure_ascii=False)
            parts.append(f"{_quoted(key + ':')} || coalesce(c{columns[0]}, 'null')")
        else:
            parts.append(f"json_object({_pairs(names, columns)})::VARCHAR[2:-2]")
    return "'{' || " + " || ',' || ".join(parts) + " || '}'"


def _pairs(names: list[str], columns: list[int]) -> str:
    return ", ".join(f"{_quoted(names[i])}, c{i}" for i in columns)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class _OddTypeError(Exception):
    """DuckDB does not have this type or writes it differently."""


def _is_odd(kind: Any, level: int = 0) -> bool:
    """Whether DuckDB lacks a type or adds `.0` to its values: 256-bit or whole decimals, and types that are nested deeply or
    have members without a name or with ambiguous case."""
    import pyarrow.types as t

    if level > MAX_DEPTH:
        return True
    if t.is_struct(kind):
        names = {name.casefold() for name in kind.names}
        return len(names) < kind.num_fields or not names or "" in names or any(_is_odd(field.type, level + 1) for field in kind)
    if t.is_map(kind):
        return not t.is_string(kind.key_type) or _is_odd(kind.item_type, level + 1)
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return _is_odd(kind.value_type, level + 1)
    return bool(t.is_decimal256(kind) or (t.is_decimal(kind) and not kind.scale) or t.is_union(kind))


def _slow_lines(names: list[str], columns: list[Any], raw: list[bool]) -> Iterator[str]:
    """The rows in Python. For duplicate keys of a map, the last one is used, as JSON readers do."""
    keys = [json.dumps(name, ensure_ascii=False) for name in names]
    with warnings.catch_warnings(action="ignore"):
        values = [column.to_pylist(maps_as_pydicts="lossy") for column in columns]
    for row in zip(*values, strict=True):
        texts = (value if is_raw and value is not None else json_text(value) for value, is_raw in zip(row, raw, strict=True))
        yield "{" + ",".join(f"{key}:{text}" for key, text in zip(keys, texts, strict=True)) + "}"


def _json_texts(column: Any) -> Any:
    """The JSON text of each value of a column that is or contains JSON."""
    import pyarrow as pa

    kind = column.type
    if isinstance(kind, pa.JsonType):
        return _valid(column)
    with warnings.catch_warnings(action="ignore"):
        values = json_column(column).to_pylist(maps_as_pydicts="lossy")
    return pa.chunked_array([pa.array([None if value is None else _nested_text(value, kind) for value in values], pa.string())])


def _nested_text(value: Any, kind: Any) -> str:
    """A value of a type that contains JSON, as JSON text."""
    import pyarrow as pa
    import pyarrow.types as t

    if value is None or not has_json(kind):
        return json_text(value)
    if isinstance(kind, pa.JsonType):
        return re.sub(r"[\r\n]", " ", value) if is_json(value) else json_text(value)
    if t.is_struct(kind):
        members = [(field.name, value[field.name], field.type) for field in kind]
    elif t.is_map(kind):
        members = [(str(key), item, kind.item_type) for key, item in value.items()]
    else:
        return "[" + ",".join(_nested_text(item, kind.value_type) for item in value) + "]"
    return "{" + ",".join(f"{json_text(key)}:{_nested_text(item, inner)}" for key, item, inner in members) + "}"


def _valid(column: Any) -> Any:
    """The text of a column of type JSON, on one line each. Invalid JSON becomes a JSON string."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = column.cast(pa.string())
    if pc.any(pc.match_substring_regex(texts, "[\r\n]")).as_py():
        texts = pc.replace_substring_regex(texts, "[\r\n]", " ")  # whitespace; escaped within strings
    odd = [i for i, text in enumerate(texts.to_pylist()) if text is not None and not is_json(text)]
    if not odd:
        return texts
    values = texts.to_pylist()
    for i in odd:
        values[i] = json_text(values[i])
    return pa.chunked_array([pa.array(values, pa.string())])


def _bytes_of(texts: Any) -> pa.Buffer:
    """The concatenated bytes of an array of strings without nulls, without copying."""
    import pyarrow as pa

    large = texts.cast(pa.large_string())
    _, ends, data = large.buffers()
    first, last = (ends.slice(8 * (large.offset + i), 8).to_pybytes() for i in (0, len(large)))
    start = int.from_bytes(first, "little")
    bytes_of: pa.Buffer = data.slice(start, int.from_bytes(last, "little") - start)
    return bytes_of


class ByteSink(Protocol):
    """Receives the bytes of one file."""

    def write(self, data: Any) -> object:
        """Append bytes."""

    def close(self) -> None:
        """Write the end of the compressed data."""


class _Gzip:
    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream
        self._codec = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)  # 31: with a gzip header

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
    """A sink that compresses to `stream` as one gzip member or zstd frame, because some readers stop after the first one."""
    import pyarrow as pa

    if compression == "gzip":
        return _Gzip(stream)
    return pa.CompressedOutputStream(stream, "zstd") if compression == "zstd" else _Plain(stream)
