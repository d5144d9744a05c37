"""Columns of all readers: plain types, one schema for all files, hive and path columns, suggestions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datajob.errors import InputError, private
from datajob.formats._exact import TypeConflictError, exact_cast, unite_types
from datajob.formats._text_cast import text_as
from datajob.formats.base import FileReader, Fragment, InputFile, Reader
from datajob.formats.types import arrow_type
from datajob.suggest import nearest

if TYPE_CHECKING:
    import pyarrow as pa

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
"""The folder value for null, as in Hive."""


class ColumnsReader(FileReader):
    """Base class of readers of files with named columns."""

    abstract: ClassVar[bool] = True
    columns: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Columns to read, in this order, including hive partitions. By default, all."
    )

    def known_columns(self) -> tuple[str, ...] | None:
        """`columns` and `includePath` if `columns` is set."""
        return self._projection() if self.columns else None

    def _projection(self) -> tuple[str, ...] | None:
        return (*self.columns, *((self.include_path,) if self.include_path else ())) if self.columns else None

    def _all_columns(self, of_files: pa.Schema, files: Sequence[InputFile]) -> pa.Schema:
        """The result of `schema` for the union of the columns of all files."""
        import pyarrow as pa

        if not of_files.names and self.columns:  # no file has any record: the job decides about the columns
            partitions = {key for file in files for key, _ in file.partition}
            of_files = pa.schema([(name, pa.string()) for name in self.columns if name not in partitions])
        return project(with_file_columns(of_files, self, files), self._projection(), self.name())


def rebuilt(kind: Any, leaf: Callable[[Any], Any]) -> Any:
    """`kind` with `leaf` applied to the types within lists, structs and maps. Dictionaries are replaced by their values."""
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_dictionary(kind):
        return rebuilt(kind.value_type, leaf)
    if t.is_struct(kind):
        return pa.struct([pa.field(f.name, rebuilt(f.type, leaf)) for f in kind])
    if t.is_map(kind):
        return pa.map_(rebuilt(kind.key_type, leaf), rebuilt(kind.item_type, leaf))
    if t.is_fixed_size_list(kind):
        return pa.list_(rebuilt(kind.value_type, leaf), kind.list_size)
    if t.is_list(kind) or t.is_large_list(kind) or t.is_list_view(kind) or t.is_large_list_view(kind):
        return pa.list_(rebuilt(kind.value_type, leaf))
    return leaf(kind)


def leaves(array: Any) -> Iterator[Any]:
    """The arrays of plain values within a nested array; for extension types, their storage."""
    import pyarrow as pa
    import pyarrow.types as t

    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from leaves(array.storage)
    elif t.is_map(kind):
        yield from leaves(array.keys)
        yield from leaves(array.items)
    elif t.is_struct(kind):
        for part in array.flatten():
            yield from leaves(part)
    elif t.is_nested(kind):
        yield from leaves(array.flatten())
    else:
        yield array


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type without encodings that operators do not have to support: dictionaries, views and 64-bit offsets."""
    import pyarrow as pa
    import pyarrow.types as t

    def leaf(kind: Any) -> Any:
        if isinstance(kind, pa.JsonType):
            return pa.json_(pa.string())
        if t.is_large_string(kind) or t.is_string_view(kind):
            return pa.string()
        return pa.binary() if t.is_large_binary(kind) or t.is_binary_view(kind) else kind

    plain: pa.DataType = rebuilt(kind, leaf)
    return plain


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` with plain types, all columns nullable, without metadata."""
    import pyarrow as pa

    return pa.schema([pa.field(f.name, plain_type(f.type)) for f in schema])


def empty_table(schema: pa.Schema) -> pa.Table:
    """A table without rows, of any types: pyarrow's own method fails for lists of JSON values."""
    import pyarrow as pa

    return pa.Table.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)


def has_json(kind: Any) -> bool:
    """Whether a type is JSON or contains it."""
    import pyarrow as pa

    if isinstance(kind, pa.JsonType):
        return True
    return any(has_json(kind.field(i).type) for i in range(kind.num_fields)) if pa.types.is_nested(kind) else False


def repeated_name(fields: Any) -> str | None:
    """A name that two fields of a schema or of a struct have, at any depth; None if there is none."""
    import pyarrow as pa

    names: list[str] = [field.name for field in fields]
    for position, name in enumerate(names):
        if name in names[:position]:
            return name
    for field in fields:
        kind = field.type
        inner = list(kind) if pa.types.is_struct(kind) else [kind.field(i) for i in range(kind.num_fields)]
        if inner and (found := repeated_name(inner)) is not None:
            return found
    return None


CAST_ADVICE = "Read the files as two sources and cast the column in one of them, or exclude the column with `columns`."


def unite(schemas: Mapping[str, pa.Schema], advice: str = CAST_ADVICE) -> pa.Schema:
    """One schema for schemas by path: all columns in order of appearance, each with a type that holds all of its values.

    A column that is null everywhere becomes a string. Raises InputError with two files if their types are incompatible.
    """
    import pyarrow as pa

    united = unite_with_nulls(schemas, advice)
    return pa.schema([(field.name, pa.string() if pa.types.is_null(field.type) else field.type) for field in united])


def unite_with_nulls(schemas: Mapping[str, pa.Schema], advice: str = CAST_ADVICE) -> pa.Schema:
    """As `unite`, but a column that is null everywhere has the type null."""
    import pyarrow as pa

    try:
        kinds = unite_types(schemas.items())
    except TypeConflictError as conflict:
        raise InputError(
            f"Column {conflict.column} is {conflict.known} in {conflict.first} but {conflict.found} in {conflict.second}, and "
            f"no type can represent the values of both without loss. {advice}"
        ) from conflict
    return pa.schema(list(kinds.items()))


def with_file_columns(schema: pa.Schema, reader: FileReader, files: Iterable[InputFile]) -> pa.Schema:
    """`schema` plus a column for each hive partition that the files lack, and `includePath`'s.

    Raises InputError for a value of a partition that is not of the type that the reader gives.
    """
    import pyarrow as pa

    files = list(files)

    names = dict.fromkeys(key for file in files for key, _ in file.partition)
    if reader.include_path:
        names[reader.include_path] = None
    for name in names:
        if name not in schema.names:
            kind = arrow_type(reader.partition_types[name]) if name in reader.partition_types else pa.string()
            _check_partition(name, kind, files)
            schema = schema.append(pa.field(name, kind))
        elif name == reader.include_path:
            raise InputError(f"includePath: the files already have a column {name}; choose another name.")
    return schema


def _check_partition(name: str, kind: Any, files: Iterable[InputFile]) -> None:
    import pyarrow as pa

    if pa.types.is_string(kind):
        return
    for file in files:
        value = dict(file.partition).get(name, HIVE_NULL)
        try:
            text_as(pa.array([None if value == HIVE_NULL else value], pa.string()), kind)
        except pa.ArrowException as error:
            raise InputError(f"{file.path}: the value {value!r} of the partition {name} is not {kind}.") from error


def conform(table: pa.Table, schema: pa.Schema, fragment: Fragment, reader: Reader) -> pa.Table:
    """`table`, as read from `fragment`, with exactly the columns of `schema`: cast, in order, null if missing.

    Raises InputError if a value does not fit the type of its column across all files.
    """
    import pyarrow as pa

    if table.num_rows and not schema.names:  # a table without columns loses its number of rows
        raise InputError(
            f"{fragment.file.path}: no record has a field, and rows without columns cannot be kept. Exclude the file, or add a "
            "column with `includePath`."
        )
    if table.schema.equals(schema):
        return table.replace_schema_metadata(None)
    constants = {key: None if value == HIVE_NULL else value for key, value in fragment.file.partition}
    if reader.include_path:
        constants[reader.include_path] = fragment.file.identity
    present = set(table.column_names)
    columns: list[pa.ChunkedArray[Any] | pa.Array[Any]] = []
    for field in schema:
        if field.name in present:
            columns.append(_cast(table.column(field.name), field, fragment))
        else:
            columns.append(_repeated(constants.get(field.name), field.type, table.num_rows))
    return pa.Table.from_arrays(columns, schema=schema)


def _repeated(text: str | None, kind: Any, rows: int) -> Any:
    """A column of one value, given as text."""
    import pyarrow as pa

    if text is None:
        return pa.nulls(rows, kind)
    return pa.repeat(text_as(pa.array([text]), kind)[0], rows)


def _cast(column: pa.ChunkedArray[Any], field: pa.Field[Any], fragment: Fragment) -> pa.ChunkedArray[Any]:
    import pyarrow as pa

    if column.type.equals(field.type):
        return column
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), field.type)])
    try:
        return exact_cast(column, field.type)
    except pa.ArrowException as error:
        raise InputError(
            f"{fragment.file.path}: column {field.name} ({column.type}) does not fit {field.type}{private(f': {error}')}."
        ) from error


def project(schema: pa.Schema, columns: Sequence[str] | None, where: str) -> pa.Schema:
    """`schema` with only `columns`, in this order. Raises InputError for a missing column."""
    import pyarrow as pa

    if columns is None:
        return schema
    for name in columns:
        if name not in schema.names:
            raise InputError(f"columns: {where} has no column {name}{did_you_mean(name, schema.names)}.")
    return pa.schema([schema.field(name) for name in columns])


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """A suggestion for the name of a missing column."""
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else f"; it has {', '.join(known[:30])}{', ...' if len(known) > 30 else ''}"


def data_bytes(table: pa.Table) -> int:
    """The size of a table as Arrow data. Unlike `nbytes`, it is the same for all tables with these values and chunks."""
    import pyarrow as pa

    try:
        return sum(pa.ipc.get_record_batch_size(batch) for batch in table.to_batches())
    except pa.ArrowInvalid:  # types that are nested too deeply
        return int(table.nbytes)
