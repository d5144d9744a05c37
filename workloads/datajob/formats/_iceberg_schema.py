"""Columns of Iceberg tables: types in both directions, and which column of a file belongs to which of the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats import _stored_types
from datajob.formats._columns import plain_type

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

_ID = b"PARQUET:field_id"


@dataclass(frozen=True)
class FieldIds:
    """How the columns of files are found: by the IDs in the file or, in files without IDs, by the names of a mapping."""

    columns: Mapping[int, str]
    """The columns of the table by their ID."""
    members: Mapping[str, int]
    """IDs of columns and of the members of structs, by their path such as `call.name`."""
    mapping: Mapping[str, int]
    """IDs of columns by the names that they have in files without IDs."""
    in_files: frozenset[str] = frozenset()
    """Columns whose values are unknown if a file lacks them, because they are in its partition in another form."""

    def names(self, path: str, of_file: pa.Schema, wanted: Sequence[str]) -> dict[str, str]:
        """The columns of a file that the table calls `wanted`, with these names. Raises InputError for renamed members."""
        found: dict[str, str] = {}
        has_ids = any(_id(field) is not None for field in of_file)
        for field in of_file:
            number = _id(field) if has_ids else self.mapping.get(field.name)
            name = self.columns.get(-1 if number is None else number)
            if name is not None and name in wanted:
                found[field.name] = name
                self._check_members(path, field, name)
        if not has_ids and not self.mapping:
            raise InputError(
                f"{path}: the file has no field IDs, and the Iceberg table has no name mapping (schema.name-mapping.default)."
            )
        return found

    def _check_members(self, path: str, field: Any, column: str) -> None:
        for member, number in _members(field, column):
            if number is not None and self.members.get(member, number) != number:
                raise InputError(
                    f"{path}: the member {member} was replaced by another one of this name, which is not supported. Rewrite "
                    "the file with the engine that wrote it, or exclude the column with `columns`."
                )
            if number is not None and member not in self.members and number in self.members.values():
                raise InputError(
                    f"{path}: the member {member} has been renamed in the Iceberg table, which is not supported. Rewrite the "
                    "file with the engine that wrote it, or exclude the column with `columns`."
                )


def _id(field: Any) -> int | None:
    text = (field.metadata or {}).get(_ID)
    return None if text is None else int(text)


def _members(field: Any, path: str) -> Iterator[tuple[str, int | None]]:
    """The members of nested columns of a file by their path, with their IDs."""
    import pyarrow.types as t

    kind = field.type
    if t.is_struct(kind):
        inner = [(f"{path}.{one.name}", one) for one in kind]
    elif t.is_map(kind):
        inner = [(f"{path}.key", kind.key_field), (f"{path}.value", kind.item_field)]
    elif t.is_list(kind) or t.is_large_list(kind):
        inner = [(f"{path}.element", kind.value_field)]
    else:
        return
    for name, one in inner:
        yield name, _id(one)
        yield from _members(one, name)


def field_ids(table: Table, schema: Schema) -> FieldIds:
    """The IDs in the schema of a table and the names in its mapping."""
    ids = {schema.find_column_name(number) or "": number for number in schema.field_ids}
    mapping = table.name_mapping()
    names = {name: field.field_id for field in mapping.root for name in field.names} if mapping is not None else {}
    columns = {field.field_id: field.name for field in schema.fields}
    return FieldIds(columns, ids, {name: number for name, number in names.items() if number is not None})


def arrow_columns(schema: Schema) -> pa.Schema:
    """The columns of a table with plain types."""
    import pyarrow as pa

    return pa.schema([pa.field(field.name, plain_type(field.type), field.nullable) for field in declared_columns(schema)])


def declared_columns(schema: Schema) -> pa.Schema:
    """The columns of a table, with the members and items that are not null."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    return schema_to_pyarrow(schema, include_field_ids=False)


def stored_types(schema: pa.Schema) -> pa.Schema:
    """The columns with types of Iceberg that represent all of their values. Raises InvalidJob if there is none."""
    return _stored_types.stored_types(schema, _leaf, "iceberg")


def _leaf(kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_integer(kind):
        small = kind.bit_width < 32 or kind == pa.int32()
        return pa.int32() if small else pa.decimal128(20, 0) if kind == pa.uint64() else pa.int64()
    if t.is_time(kind):
        return pa.time64("us")
    return kind if t.is_fixed_size_binary(kind) else _stored_types.common_leaf(kind)


def check_defaults(name: str, schema: Schema, columns: Sequence[str] | None) -> None:
    """Raise InputError for a column whose value in older files is not null."""
    for number in schema.field_ids:
        field, path = schema.find_field(number), schema.find_column_name(number) or ""
        chosen = columns is None or path.partition(".")[0] in columns
        if chosen and getattr(field, "initial_default", None) is not None:
            raise InputError(f"{name}: column {path} of the Iceberg table has a default value, which is not supported.")
