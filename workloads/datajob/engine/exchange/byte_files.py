"""Files of bytes, so that images and other large values do not move with their rows.

Before rows are stored or change their shard, their bytes are written once, to a file of the shard. What moves is where they
are and a hash of them, by which rows are compared as by the bytes. The stage that needs the bytes reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats._stored_bytes import FILE, HIGH, INLINE, LENGTH, LOW, OFFSET, contains, mapped, stored_type
from datajob.formats.atomic_file import AtomicFile
from datajob.formats.storage import join, readable, resolve, scheme_of

if TYPE_CHECKING:
    import pyarrow as pa

MAX_INLINE = 256
"""Bytes up to which a value moves with its row."""
PIECE_BYTES = 16 << 20
"""Bytes of the rows that are read together."""
THREADS = 16


class Places:
    """Where the bytes are that were read, so that those which steps have not changed are not written again."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], tuple[str, int]] = {}
        """File and offset by hash and length."""

    def add(self, array: Any) -> None:
        """Add the values of an array of what stands for bytes."""
        import pyarrow.compute as pc

        fields = (pc.struct_field(array, name).to_pylist() for name in (HIGH, LOW, LENGTH, FILE, OFFSET))
        for high, low, length, path, offset in zip(*fields, strict=True):
            if path is not None:
                self._known[high, low, length] = path, offset

    def forget(self) -> None:
        """Forget all places: the rows were written."""
        self._known.clear()

    def of(self, hashes: Any, lengths: Any) -> list[tuple[str, int] | None]:
        """The file and the offset of each value, or None if it is not known."""
        if not self._known:
            return [None] * len(lengths)
        keys = zip(hashes.high.tolist(), hashes.low.tolist(), lengths.tolist(), strict=True)
        return [self._known.get(key) for key in keys]


class ByteFile:
    """The bytes of one shard: a file, which is created with the first long value and becomes visible when it is closed."""

    def __init__(self, root: str, name: str, places: Places | None = None) -> None:
        self._root, self._name = root, name
        self._places = places or Places()
        self._file: AtomicFile | None = None
        self._end = 0

    def store(self, table: pa.Table, keep: Collection[str] = ()) -> pa.Table:
        """The table with what stands for its bytes, except in the columns to `keep`."""
        import pyarrow as pa

        for index, field in enumerate(table.schema):
            if field.name not in keep and contains(field.type, False):
                chunks = table.column(index).chunks or [pa.nulls(0, field.type)]
                column = pa.chunked_array([mapped(chunk, False, self._stored) for chunk in chunks])
                table = table.set_column(index, field.name, column)
        return table

    def _stored(self, array: Any) -> Any:
        """What stands for each value of an array of bytes."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from datajob.operators.hashing.rows import hash_rows

        lengths = np.asarray(pc.binary_length(array).fill_null(0)).astype(np.int64)
        long = lengths > MAX_INLINE
        hashes = hash_rows(pa.table({"": array}))
        files, offsets = self._put(array, long, self._places.of(hashes, lengths))
        values = {
            FILE: pa.array(files, pa.string(), mask=~long),
            OFFSET: pa.array(offsets, mask=~long),
            LENGTH: pa.array(lengths),
            HIGH: pa.array(hashes.high),
            LOW: pa.array(hashes.low),
            INLINE: array.take(pa.array(np.arange(len(array)), mask=long)) if long.any() else array,
        }
        kind = stored_type(array.type)
        mask = array.is_null() if array.null_count else None
        return pa.StructArray.from_arrays([values[field.name] for field in kind], fields=list(kind), mask=mask)

    def _put(self, array: Any, long: Any, known: Sequence[tuple[str, int] | None]) -> tuple[Any, Any]:
        """The file and the offset of each long value, which is written unless its place is known."""
        import numpy as np
        import pyarrow as pa

        files = np.full(len(array), join(self._root, self._name), object)
        offsets = np.zeros(len(array), np.int64)
        new = long.copy()
        for row in np.flatnonzero(long).tolist():
            if (place := known[row]) is not None:
                files[row], offsets[row], new[row] = *place, False
        if new.any():
            offsets[new] = self._write(array if new.all() else array.filter(pa.array(new)))
        return files, offsets

    def _write(self, array: Any) -> Any:
        """Append the bytes of all values; returns the position of each in the file."""
        import numpy as np
        import pyarrow as pa

        _, edges, content = array.buffers()
        width: Any = np.int64 if pa.types.is_large_binary(array.type) else np.int32
        found = np.frombuffer(edges, width)[array.offset : array.offset + len(array) + 1].astype(np.int64)
        if self._file is None:
            self._file = AtomicFile(self._root, self._name)
        self._file.stream.write(content.slice(int(found[0]), int(found[-1] - found[0])))
        positions = self._end + found[:-1] - found[0]
        self._end += int(found[-1] - found[0])
        return positions

    def close(self) -> None:
        """Move the file to its final name."""
        if self._file is not None:
            self._file.commit()

    def abort(self) -> None:
        """Delete what was written. Never raises."""
        if self._file is not None:
            self._file.abort()


def restored(table: pa.Table, columns: Collection[str] | None = None) -> Iterator[pa.Table]:
    """The rows with their bytes, in pieces of bounded size; `columns`: only the bytes of these columns.

    Raises InputError if they are missing.
    """
    names = _stored_columns(table, columns)
    yield from (_read(piece, names) for piece in (in_pieces(table, names) if names else [table]))


def in_pieces(table: pa.Table, columns: Collection[str] | None = None) -> Iterator[pa.Table]:
    """The rows in pieces of bounded size with their bytes, which are not read."""
    names = _stored_columns(table, columns)
    return cut_by_size(table, sum(_bytes_of(table.column(name)) for name in names), PIECE_BYTES) if names else iter([table])


def cut_by_size(table: pa.Table, sizes: Any, limit: int) -> Iterator[pa.Table]:
    """The rows in pieces of up to `limit` bytes, or of one row. `sizes` are the bytes of each row."""
    import numpy as np

    ends = np.cumsum(sizes)
    if not table.num_rows or ends[-1] <= limit:
        yield table
        return
    start = 0
    while start < table.num_rows:
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + limit, "right")))
        yield table.slice(start, stop - start)
        start = stop


def with_bytes(table: pa.Table, columns: Collection[str] | None, places: Places) -> pa.Table:
    """All rows with the bytes of some columns, or of all; `places` is given where they are."""
    names = _stored_columns(table, columns)
    return _read(table, names, places) if names else table


def stored_bytes(table: pa.Table) -> int:
    """The number of bytes that the rows refer to."""
    return int(sum(_bytes_of(table.column(name)).sum() for name in _stored_columns(table)))


def _stored_columns(table: pa.Table, columns: Collection[str] | None = None) -> list[str]:
    return [f.name for f in table.schema if contains(f.type, True) and (columns is None or f.name in columns)]


def all_restored(table: pa.Table, columns: Collection[str] | None = None) -> pa.Table:
    """The few rows of a table with their bytes."""
    import pyarrow as pa

    pieces = list(restored(table, columns))
    return pieces[0] if len(pieces) == 1 else pa.concat_tables(pieces)


def _bytes_of(column: Any) -> Any:
    """The bytes that the values of each row refer to."""
    import numpy as np

    found = [_bytes_of_array(chunk) for chunk in column.chunks]
    return np.concatenate([np.zeros(0, np.int64), *found])


def _bytes_of_array(array: Any) -> Any:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from datajob.formats._stored_bytes import is_stored

    if is_stored(array.type):
        return np.asarray(pc.struct_field(array, LENGTH).fill_null(0))
    if not contains(array.type, True):
        return np.zeros(len(array), np.int64)
    if pa.types.is_struct(array.type):
        return sum(_bytes_of_array(pc.struct_field(array, i)) for i in range(array.type.num_fields))
    counts = np.asarray(pc.list_value_length(array).fill_null(0)).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(_bytes_of_array(array.flatten()))])
    edges = np.concatenate([[0], np.cumsum(counts)])
    return ends[edges[1:]] - ends[edges[:-1]]


def _read(table: pa.Table, names: Sequence[str], places: Places | None = None) -> pa.Table:
    import pyarrow as pa

    with ExitStack() as stack:
        files: dict[str, Any] = {}

        def read(path: str, offset: int, length: int) -> bytes:
            with readable(path):
                if path not in files:
                    filesystem, inner = resolve(path)
                    files[path] = stack.enter_context(filesystem.open_input_file(inner))
                data: bytes = files[path].read_at(length, offset)
            if len(data) < length:
                raise InputError(f"{path}: truncated: a file of intermediate rows has changed. Run the job with `--fresh`.")
            return data

        def leaf(array: Any) -> Any:
            if places is not None:
                places.add(array)
            return _whole(array, read)

        for name in names:
            index = table.schema.get_field_index(name)
            chunks = table.column(index).chunks or [pa.nulls(0, table.schema.field(index).type)]
            table = table.set_column(index, name, pa.chunked_array([mapped(chunk, True, leaf) for chunk in chunks]))
    return table


def _whole(array: Any, read: Any) -> Any:
    """The bytes of each value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    inline = pc.struct_field(array, INLINE)
    rows = zip(*(pc.struct_field(array, name).to_pylist() for name in (FILE, OFFSET, LENGTH)), strict=True)
    places = [(i, path, offset, length) for i, (path, offset, length) in enumerate(rows) if path is not None]
    if not places:
        return inline
    values: list[Any] = inline.to_pylist()
    remote = bool(scheme_of(places[0][1]))
    with ThreadPoolExecutor(THREADS if remote else 1) as pool:
        one = pool.map if remote else map
        for (i, *_), data in zip(places, one(lambda place: read(*place[1:]), places), strict=True):
            values[i] = data
    return pa.array(values, array.type.field(5).type)
