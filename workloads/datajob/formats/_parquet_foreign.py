"""What Spark and pandas store in Parquet files in their own ways."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats._columns import rebuilt
from datajob.formats._parquet_check import int96_columns

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def schema_of(file: pq.ParquetFile, columns: Sequence[str] | None) -> pa.Schema:
    """The columns of a file, of which the job reads `columns` (None: all).

    Timestamps of the type INT96 are in UTC, as in Spark, unless pyarrow wrote the file. The labels of rows that pandas stores
    in columns such as `__index_level_0__` are left out unless `columns` names them.
    """
    import pyarrow as pa

    schema = file.schema_arrow
    unnamed = [name for name in _unnamed_index(schema) if not columns or name not in columns]
    if unnamed and len(unnamed) < len(schema):
        schema = pa.schema([field for field in schema if field.name not in unnamed], schema.metadata)
    old = int96_columns(file.schema, schema.types)
    if not old or b"ARROW:schema" in (file.metadata.metadata or {}):
        return schema

    def in_utc(kind: Any) -> Any:
        return pa.timestamp(kind.unit, kind.tz or "UTC") if pa.types.is_timestamp(kind) else kind

    return pa.schema([f.with_type(rebuilt(f.type, in_utc)) if f.name in old else f for f in schema], schema.metadata)


def _unnamed_index(schema: pa.Schema) -> list[str]:
    """The columns of the index of a data frame that has no name, according to the metadata of pandas."""
    if not any(name.startswith("__index_level_") for name in schema.names):
        return []
    try:
        index = json.loads((schema.metadata or {})[b"pandas"])["index_columns"]
    except (KeyError, ValueError, TypeError):
        return []
    return [name for name in index if isinstance(name, str) and name.startswith("__index_level_") and name in schema.names]


def check_variants(path: str, file: pq.ParquetFile, schema: pa.Schema, columns: Sequence[str] | None) -> None:
    """Raise InputError for a column of `columns` (None: all) of the type VARIANT, of which pyarrow reads only the encoding."""
    found = [f.name for f in schema if (columns is None or f.name in columns) and _may_be_variant(f.type)]
    if found and "(Variant(" in str(file.schema):
        raise InputError(
            f"{path}: column {found[0]} is of the type VARIANT, which is not supported. Write it as JSON text, "
            "with `to_json` in Spark or a cast in DuckDB, or exclude it with `columns`."
        )


def _may_be_variant(kind: Any) -> bool:
    import pyarrow.types as t

    if t.is_struct(kind) and kind.names[:2] == ["metadata", "value"] and t.is_binary(kind.field(0).type):
        return True
    return t.is_nested(kind) and any(_may_be_variant(kind.field(i).type) for i in range(kind.num_fields))
