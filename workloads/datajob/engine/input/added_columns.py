"""The columns that `addColumns` of a source adds to its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datajob.errors import InputError
from datajob.formats.base import Reader

if TYPE_CHECKING:
    import pyarrow as pa


def added_to_schema(reader: Reader, schema: pa.Schema) -> pa.Schema:
    """The columns of the rows of a source. Raises InputError if its files have a column that it adds."""
    import pyarrow as pa

    for name in reader.add_columns:
        if name in schema.names:
            raise InputError(f"addColumns: {reader.name()} already has a column {name}; choose another name.")
    return pa.schema([*schema, *((name, pa.string()) for name in reader.add_columns)])


def added_to_rows(reader: Reader, table: pa.Table) -> pa.Table:
    """The rows of a source."""
    import pyarrow as pa

    for name, text in reader.add_columns.items():
        table = table.append_column(name, pa.repeat(pa.scalar(text, pa.string()), table.num_rows))
    return table
