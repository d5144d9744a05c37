"""The shard writer of most formats: numbered files of limited size, in one folder per partition value."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from datajob.errors import InvalidJob, SinkError, private
from datajob.formats._columns import HIVE_NULL, data_bytes, did_you_mean
from datajob.formats.atomic_file import AtomicFile
from datajob.formats.base import OutputFile
from datajob.formats.storage import storage_errors

if TYPE_CHECKING:
    import pyarrow as pa

MAX_OPEN = 64
"""Maximum open files per shard writer. Beyond that, the least recently used one is finished."""
LONGEST_NAME = 255
_QUOTED = re.compile(r"""[\x00-\x1f\x7f"#%'*/:=?\\{\[\]^]""")
"""Bytes of the name of a folder."""
MAX_HELD = 256 << 20
"""Maximum bytes that all encoders of one shard writer buffer."""
SLICE_BYTES = 16 << 20
"""Rows are written in slices of this size, so that files end near their target size."""


class Encoder(Protocol):
    """Converts tables to the bytes of one file. It can buffer rows until there are enough to write."""

    held: int
    """Buffered bytes."""

    def write(self, table: pa.Table) -> None:
        """Append rows."""

    def flush(self) -> None:
        """Write the buffered rows."""

    def finish(self) -> None:
        """Write the buffered rows and the end of the file; the stream stays open."""


@runtime_checkable
class Measured(Protocol):
    """An encoder that provides statistics of the columns once the file is finished."""

    def stats(self) -> dict[str, Any]:
        """The field `stats` of the file."""


def stats_of(encoder: Encoder) -> dict[str, Any] | None:
    """The statistics of an encoder that provides them."""
    return encoder.stats() if isinstance(encoder, Measured) else None


NewEncoder = Callable[["pa.NativeFile", "pa.Schema", str], Encoder]
"""Creates the encoder of a file from its stream, the columns, and its name without folder and extension."""


class _File:
    """A file in progress."""

    def __init__(self, root: str, name: str, extensions: tuple[str, ...], schema: pa.Schema, new_encoder: NewEncoder) -> None:
        """`name` has no extension. The first extension is that of the file itself, the others are those of its companions."""
        self.names = [f"{name}{extension}" for extension in extensions]
        self.rows = 0
        self.parts = [AtomicFile(root, each) for each in self.names]
        self.encoder = new_encoder(self.parts[0].stream, schema, name.rpartition("/")[2])
        if len(self.parts) > 1:
            self.encoder.accompany([part.stream for part in self.parts[1:]])  # type: ignore[attr-defined]

    def write(self, table: pa.Table) -> None:
        self.encoder.write(table)
        self.rows += table.num_rows

    def size(self) -> int:
        return int(self.parts[0].stream.tell())

    def finish(self) -> None:
        self.encoder.finish()
        for part in self.parts:
            part.stream.close()

    def commit(self) -> list[OutputFile]:
        """Rename the companions and then the file, which is complete when it is visible."""
        for part in reversed(self.parts):
            part.commit()
        (own, part), *companions = zip(self.names, self.parts, strict=True)
        beside = [OutputFile(name, 0, each.size) for name, each in companions]
        return [OutputFile(own, self.rows, part.size, stats_of(self.encoder)), *beside]


class FilesWriter:
    """A `ShardWriter` for files named `<partition>/<prefix>-<n><extension>`.

    n is incremented when a file has `file_bytes` bytes or `file_rows` rows. With several extensions, each file has companions,
    whose streams its encoder receives by `accompany`.
    Files get their names in `close`. Files do not contain the partition columns, as in Hive.
    """

    def __init__(
        self,
        root: str,
        prefix: str,
        extension: str | tuple[str, ...],
        schema: pa.Schema,
        new_encoder: NewEncoder,
        file_bytes: int,
        partition_by: tuple[str, ...] | None,
        file_rows: int = sys.maxsize,
        subfolder: str = "",
        keeps_keys: bool = False,
    ) -> None:
        """All files are below `subfolder`, which ends with `/`. With `keeps_keys`, they contain the partition columns."""
        self._root, self._prefix = root, prefix
        self._extensions = (extension,) if isinstance(extension, str) else extension
        self._new_encoder, self._file_bytes, self._file_rows = new_encoder, file_bytes, file_rows
        self._keys = partition_by or ()
        self._subfolder = subfolder
        self._keeps_keys = keeps_keys
        without = _without(schema, self._keys)
        self._schema = schema if keeps_keys else without
        self._open: dict[str, _File] = {}
        self._counts: dict[str, int] = {}
        self._finished: list[_File] = []

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        with storage_errors(self._root, SinkError, "write to it"):
            for folder, part in _split(table, self._keys, self._keeps_keys):
                self._write(folder, part)

    def _write(self, folder: str, table: pa.Table) -> None:
        if not table.num_rows and not self._open and not self._finished:  # a result without rows
            self._open[folder] = self._new_file(folder)
            self._open[folder].write(table)
        rows = max(1, table.num_rows * min(SLICE_BYTES, self._file_bytes) // max(1, data_bytes(table)))
        start = 0
        while start < table.num_rows:
            file = self._open.pop(folder, None) or self._new_file(folder)
            self._open[folder] = file  # most recently used
            part = table.slice(start, min(rows, self._file_rows - file.rows))
            file.write(part)
            start += part.num_rows
            if file.size() >= self._file_bytes or file.rows >= self._file_rows:
                self._finish(folder)
        encoders = [file.encoder for file in self._open.values()]
        if sum(encoder.held for encoder in encoders) > MAX_HELD:
            max(encoders, key=lambda encoder: encoder.held).flush()

    def _new_file(self, folder: str) -> _File:
        if len(self._open) >= MAX_OPEN:
            self._finish(next(iter(self._open)))
        number = self._counts.get(folder, 0)
        self._counts[folder] = number + 1
        name = f"{self._subfolder}{folder}{self._prefix}-{number:03}"
        return _File(self._root, name, self._extensions, self._schema, self._new_encoder)

    def _finish(self, folder: str) -> None:
        file = self._open[folder]
        file.finish()
        self._finished.append(self._open.pop(folder))

    def close(self) -> list[OutputFile]:
        """Finish and rename the files. Returns what was written, sorted by path."""
        try:
            with storage_errors(self._root, SinkError, "write to it"):
                for folder in list(self._open):
                    self._finish(folder)
            written = [part for file in self._finished for part in file.commit()]
        except BaseException:
            self.abort()
            raise
        return sorted(written, key=lambda file: file.path)

    def abort(self) -> None:
        """Delete all temporary files; never raises."""
        for file in self._open.values():
            with suppress(Exception):  # destructors of pyarrow writers fail if the stream is already closed
                file.encoder.finish()
        for file in (*self._open.values(), *self._finished):
            for part in file.parts:
                part.abort()


def _without(schema: pa.Schema, keys: tuple[str, ...]) -> pa.Schema:
    import pyarrow as pa

    for key in keys:
        if key.startswith("."):
            raise InvalidJob(f"partitionBy: readers skip folders whose names begin with `.`; rename the column {key}.")
        if key not in schema.names:
            raise InvalidJob(f"partitionBy: the result has no column {key}{did_you_mean(key, schema.names)}.")
        if pa.types.is_nested(schema.field(key).type):
            raise InvalidJob(f"partitionBy: column {key} is {schema.field(key).type}, which cannot be the name of a folder.")
    rest = [field for field in schema if field.name not in keys]
    if keys and not rest:
        raise InvalidJob("partitionBy contains all columns of the result; exclude at least one.")
    return pa.schema(rest)


def _split(table: pa.Table, keys: tuple[str, ...], keeps_keys: bool) -> Iterator[tuple[str, pa.Table]]:
    """The table split by its partition values, with the folder of each part. The order of rows is preserved."""
    import numpy as np
    import pyarrow.compute

    pc: Any = pyarrow.compute
    if not keys or not table.num_rows:
        yield "", table
        return
    rest = table if keeps_keys else table.drop_columns(list(keys))
    levels = [pc.binary_join_element_wise(folder_name(key), _as_text(table.column(key), key), "=") for key in keys]
    folders: Any = pc.binary_join_element_wise(*levels, "/")
    encoded = folders.dictionary_encode()
    names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)
    if len(names) == 1:
        yield f"{names[0]}/", rest
        return
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    start = 0
    for name, end in zip(names, ends, strict=True):
        yield f"{name}/", rest.take(order[start:end])
        start = int(end)


def _as_text(column: pa.ChunkedArray[Any], key: str) -> pa.Array[Any]:
    """Each value as in folder names of Hive: URL-quoted, with the placeholder for null."""
    import pyarrow as pa

    try:
        text = column.cast(pa.string())
    except pa.ArrowException as error:
        raise SinkError(
            f"partitionBy: a value of {key} ({column.type}) is not text{private(f' ({error})')}. "
            f"Convert it with `compute`, as in `hex({key})`."
        ) from error
    encoded: Any = pa.concat_arrays(text.chunks).dictionary_encode()
    quoted = [folder_name(value) if value else HIVE_NULL for value in encoded.dictionary.to_pylist()]
    for name in quoted:
        if (size := len(f"{folder_name(key)}={name}".encode())) > LONGEST_NAME:
            raise SinkError(
                f"partitionBy: the value{private(f' {name[:60]!r}...')} of {key} requires a folder name of {size} bytes, "
                f"but file systems allow at most {LONGEST_NAME}. Partition by a shorter column, or shorten the values with "
                "`compute`."
            )
    return pa.array(quoted, pa.string()).take(encoded.indices).fill_null(HIVE_NULL)


def folder_name(text: str) -> str:
    """A name or a value in the name of a folder. The same characters are URL-quoted as in Hive and Spark."""
    return _QUOTED.sub(lambda character: f"%{ord(character[0]):02X}", text)
