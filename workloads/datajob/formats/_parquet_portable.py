"""Types that every reader of Parquet supports, in place of nanoseconds and float16: Spark refuses files that contain them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob, private
from datajob.formats._columns import rebuilt
from datajob.formats._exact import exact_cast

if TYPE_CHECKING:
    import pyarrow as pa


def portable_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with microseconds in place of nanoseconds, and float32 in place of float16."""
    import pyarrow as pa

    return pa.schema([field.with_type(_portable(field.type)) for field in schema], schema.metadata)


def as_portable(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the types of `schema`. Raises InvalidJob for a value that has nanoseconds."""
    import pyarrow as pa

    for index, field in enumerate(schema):
        if table.schema.field(index).type.equals(field.type):
            continue
        try:
            column = exact_cast(table.column(index), field.type)
        except pa.ArrowInvalid as error:
            raise InvalidJob(
                f"sink.parquet: column {field.name} contains a value with nanoseconds, but is stored in microseconds"
                f"{private(f' ({error})')}. Round the column with a `compute` step, or set `types: exact`."
            ) from error
        table = table.set_column(index, field, column)
    return table


def _portable(kind: Any) -> Any:
    return rebuilt(kind, _leaf) if _has(kind) else kind


def _leaf(kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if t.is_time64(kind):
        return pa.time64("us")
    return pa.float32() if t.is_float16(kind) else kind


def _has(kind: Any) -> bool:
    """Whether a type is not portable or contains one that is not."""
    import pyarrow.types as t

    if t.is_dictionary(kind):
        return _has(kind.value_type)
    if t.is_nested(kind):
        return any(_has(kind.field(i).type) for i in range(kind.num_fields))
    return not _leaf(kind).equals(kind)
