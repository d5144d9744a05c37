"""The files of a snapshot of an Iceberg table, with their partition values and deleted rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats.base import InputFile
from datajob.formats.folder import Folder
from datajob.formats.storage import readable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask

KEPT_DELETE_FILES = 8
"""Delete files that a process keeps in memory: one can belong to many files of data."""


def input_files(name: str, tasks: Sequence[FileScanTask]) -> list[InputFile]:
    """The files of data. Raises InputError for deletes that are not supported."""
    from pyiceberg.manifest import DataFileContent, FileFormat

    found = []
    for task in tasks:
        file = task.file
        if file.file_format != FileFormat.PARQUET:
            raise InputError(f"{name}: {file.file_path} is a file of {file.file_format.name}, but only Parquet is supported.")
        for delete in task.delete_files:
            if delete.content != DataFileContent.POSITION_DELETES:
                raise InputError(f"{name}: the Iceberg table has equality deletes, which are not supported. {COMPACT}")
            if delete.file_format != FileFormat.PARQUET:
                raise InputError(f"{name}: the Iceberg table has deletion vectors (Puffin), which are not supported. {COMPACT}")
        deletes = tuple(sorted(delete.file_path for delete in task.delete_files))
        version = hashlib.blake2b("\n".join(deletes).encode(), digest_size=8).hexdigest() if deletes else ""
        found.append(InputFile(file.file_path, file.file_size_in_bytes, version, deletes=deletes))
    return found


COMPACT = "Rewrite its files first, for example with `rewrite_data_files` in Spark."


def deleted_rows(file: InputFile) -> np.ndarray[Any, Any]:
    """The sorted positions of the deleted rows of a file. Raises InputError if a delete file cannot be read."""
    import numpy as np

    found = [_positions(path).get(file.path) for path in file.deletes]
    return np.unique(np.concatenate([one for one in found if one is not None] or [np.array([], np.int64)]))


@lru_cache(maxsize=KEPT_DELETE_FILES)
def _positions(path: str) -> dict[str, Any]:
    """The positions in a delete file, by file of data."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    folder, _, name = path.rpartition("/")
    with readable(path, "as a file of deletes"), Folder(folder).open_input(name) as stream:
        table = pq.read_table(stream, columns=["file_path", "pos"])
    found = {}
    for one in pc.unique(table.column("file_path")).to_pylist():
        rows: Any = table.filter(pc.equal(table.column("file_path"), one))
        found[one] = rows.column("pos").to_numpy()
    return found


def partition_table(files: Sequence[DataFile], spec: PartitionSpec, schema: Schema) -> pa.Table:
    """The partition values of files of one partitioning, by the names of its fields. Floating-point numbers are left out."""
    import pyarrow as pa

    columns = {}
    for index, field in enumerate(spec.fields):
        kind = _result_type(field, schema)
        if pa.types.is_floating(kind):  # pyiceberg 0.12 reads other values than were written
            continue
        columns[field.name] = _typed([file.partition[index] for file in files], kind)
    return pa.table(columns)


def _result_type(field: Any, schema: Schema) -> Any:
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    return schema_to_pyarrow(field.transform.result_type(schema.find_type(field.source_id)))


def _typed(values: list[Any], kind: Any) -> Any:
    """Values as Iceberg represents them: days, microseconds, and numbers as they are."""
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_date32(kind):
        return pa.array([None if one is None else _number(one) for one in values], pa.int32()).cast(kind)
    if t.is_timestamp(kind) or t.is_time(kind):
        return pa.array(values, pa.int64()).cast(kind)
    plain = pa.string() if t.is_large_string(kind) else kind
    try:
        return pa.array(values, plain)
    except pa.ArrowException:
        return pa.array([None if one is None else str(one) for one in values], pa.string())


def _number(days: Any) -> int:
    import datetime

    return (days - datetime.date(1970, 1, 1)).days if isinstance(days, datetime.date) else int(days)


def identity_columns(partitions: pa.Table, spec: PartitionSpec, schema: Schema) -> pa.Table:
    """The partition values that are values of columns, by the names of the columns."""
    import pyarrow as pa
    from pyiceberg.transforms import IdentityTransform

    found = {}
    for field in spec.fields:
        if field.name not in partitions.column_names or not isinstance(field.transform, IdentityTransform):
            continue
        column = partitions.column(field.name)
        if not (pa.types.is_binary(column.type) or pa.types.is_fixed_size_binary(column.type)):
            found[schema.find_column_name(field.source_id) or ""] = column
    return pa.table(found)
