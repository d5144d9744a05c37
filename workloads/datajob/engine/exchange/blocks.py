"""Files of Arrow blocks: intermediate rows, and exchange files of which every shard of the next stage reads a part.

For each block, an exchange file holds one record batch per partition: batch b belongs to partition b mod P. The reader
of partition p opens every file of the exchange and reads only the batches of p.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob, private
from datajob.formats._columns import plain_type
from datajob.formats._exact import common_type, exact_cast, exact_concat
from datajob.formats.atomic_file import AtomicFile
from datajob.formats.folder import Folder

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


def typed(schema: pa.Schema) -> pa.Schema:
    """`schema` with string instead of null, the type of a column without any value."""
    import pyarrow as pa

    return pa.schema([f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in schema])


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """`table` with the columns and types of `schema`; missing columns are null. Raises InvalidJob if a type does not fit."""
    import pyarrow as pa

    if table.num_rows and not table.num_columns:
        raise InvalidJob(
            "No columns are left, so the rows would be lost. Keep at least one column in `drop` and `select` steps."
        )
    if table.schema.equals(schema):
        return table
    columns = []
    for f in schema:
        if f.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, f.type))
            continue
        column = table.column(f.name)
        try:
            columns.append(column if column.type.equals(f.type) else _exactly(column, f.type))
        except pa.ArrowException as error:
            raise _type_change(f, column.type, str(error)) from error
    extra = [name for name in table.column_names if name not in schema.names]
    if extra:
        raise InvalidJob(
            f"Column {extra[0]} is present in some batches of rows and missing in others. "
            "Change the function that returns the column to return it for every row, with null if a row has no value."
        )
    return pa.table(columns, schema=schema)


def _exactly(column: Any, kind: Any) -> Any:
    """`column` as `kind`. Raises ArrowException if one type cannot represent both, or if members of structs would get lost."""
    import pyarrow as pa

    common_type(plain_type(column.type), plain_type(kind))
    if lost := _lost_member(plain_type(column.type), plain_type(kind)):
        raise pa.ArrowInvalid(f"the second has a member `{lost}`, which the first does not have")
    return exact_cast(column, kind)


def _lost_member(kind: Any, wanted: Any) -> str | None:
    """A member of a struct that `wanted` does not have, at any depth. Those of type null have no values."""
    import pyarrow.types as t

    if t.is_struct(kind) and t.is_struct(wanted):
        known = {field.name: field.type for field in wanted}
        for field in kind:
            if field.name not in known and not t.is_null(field.type):
                return str(field.name)
            if field.name in known and (lost := _lost_member(field.type, known[field.name])):
                return lost
    elif t.is_map(kind) and t.is_map(wanted):
        return _lost_member(kind.item_type, wanted.item_type)
    elif t.is_nested(kind) and t.is_nested(wanted) and not t.is_union(kind):
        return _lost_member(kind.value_type, wanted.value_type)
    return None


def _type_change(f: pa.Field, found: pa.DataType, why: str) -> InvalidJob:
    return InvalidJob(
        f"Column {f.name} is {f.type} in some batches of rows and {found} in others{private(f' ({why})')}. "
        f"Add a `cast` step that sets its type, such as `cast: {{columns: {{{f.name}: string}}}}`."
    )


class BlockWriter:
    """Writes one LZ4-compressed file of blocks, which becomes visible when it is closed."""

    def __init__(self, root: str, name: str) -> None:
        self._file = AtomicFile(root, name)
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._schema: pa.Schema | None = None

    def write(self, table: pa.Table) -> None:
        """Append a table as one record batch."""
        import pyarrow as pa

        if self._writer is None:
            self._schema = typed(table.schema)
            self._writer = pa.ipc.new_file(self._file.stream, self._schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))
        assert self._schema is not None
        batches = conform(table, self._schema).combine_chunks().to_batches()
        self._writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], schema=self._schema))

    def write_partitions(self, table: pa.Table, parts: NDArray[np.int64], partitions: int) -> None:
        """Append a table, split into one record batch per partition; rows keep their order."""
        import numpy as np
        import pyarrow as pa

        order = np.argsort(parts, kind="stable")
        bounds = np.searchsorted(parts[order], np.arange(partitions + 1))
        table = table.take(pa.array(order)) if partitions > 1 else table
        for p in range(partitions):
            self.write(table.slice(bounds[p], bounds[p + 1] - bounds[p]))

    def close(self) -> None:
        """Move the file to its final name. A file without blocks is not written."""
        if self._writer is None:
            self._file.abort()
            return
        self._writer.close()
        self._file.commit()

    def abort(self) -> None:
        """Delete what was written. Never raises."""
        self._file.abort()


def read_blocks(root: str, name: str) -> Iterator[pa.Table]:
    """The blocks of one file, in order; none if the file was not written."""
    yield from _batches(root, name, 0, 1)


def read_partition(root: str, names: Sequence[str], partition: int, partitions: int) -> pa.Table | None:
    """All rows of one partition in the files of an exchange, in file and block order; None if no file was written."""
    import pyarrow as pa

    tables = [t for name in names for t in _batches(root, name, partition, partitions)]
    try:
        return exact_concat(tables) if tables else None
    except pa.ArrowTypeError as error:
        raise InvalidJob(
            f"{str(error)[:1].upper()}{str(error)[1:]}, but all rows must be in one table. "
            "Set one type for the column, in `types` of the step that adds it or with a `cast` step."
        ) from error


def _batches(root: str, name: str, start: int, step: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    folder = Folder(root)
    if not folder.exists(name):
        return
    with folder.open_input(name) as source, pa.ipc.open_file(source) as reader:
        for index in range(start, reader.num_record_batches, step):
            yield pa.Table.from_batches([reader.get_batch(index)])
