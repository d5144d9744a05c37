"""Types that Spark, polars and DuckDB read with the same values. Spark refuses whole files that contain some other types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob, private
from datajob.formats._columns import rebuilt
from datajob.formats._exact import exact_cast

if TYPE_CHECKING:
    import pyarrow as pa

MAX_PRECISION = 38
"""Digits of the largest decimal of Spark and polars. DuckDB reads a larger one as a double."""


def portable_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with times in microseconds, float32 in place of float16, texts in place of UUIDs, and plain lists."""
    return _with_leaves(schema, _leaf)


def readable_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with lists in place of list views, which polars cannot open."""
    return _with_leaves(schema, lambda kind: kind)


def check_portable(schema: pa.Schema) -> None:
    """Raise InvalidJob for a column that has no portable type."""
    for field in schema:
        if _has(field.type, _is_long_decimal):
            raise InvalidJob(
                f"sink.parquet: column {field.name} is {field.type}, but Spark and polars support at most {MAX_PRECISION} "
                "digits, and DuckDB rounds longer decimals. Convert the column with a `cast` step, for example to "
                "`decimal(38, 10)` or `string`, or set `types: exact`."
            )


def as_stored(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the types of `schema`. Raises InvalidJob for a value that has nanoseconds."""
    import pyarrow as pa

    for index, field in enumerate(schema):
        column: Any = table.column(index)
        if column.type.equals(field.type):
            continue
        try:
            column = exact_cast(column, field.type)
        except pa.ArrowInvalid as error:
            raise InvalidJob(
                f"sink.parquet: column {field.name} contains a value that microseconds cannot represent"
                f"{private(f' ({error})')}. Round the column with a `compute` step, or set `types: exact`."
            ) from error
        table = table.set_column(index, field, column)
    return table


def _with_leaves(schema: pa.Schema, leaf: Any) -> pa.Schema:
    import pyarrow as pa

    def changed(kind: Any) -> bool:
        return _is_view(kind) or not leaf(kind).equals(kind)

    kinds = [rebuilt(kind, leaf) if _has(kind, changed) else kind for kind in schema.types]
    return pa.schema([field.with_type(kind) for field, kind in zip(schema, kinds, strict=True)], schema.metadata)


def _leaf(kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if t.is_time(kind):
        return pa.time64("us")
    if t.is_duration(kind):
        return pa.duration("us")
    if isinstance(kind, pa.UuidType):
        return pa.string()
    if isinstance(kind, pa.Bool8Type):
        return pa.bool_()
    return pa.float32() if t.is_float16(kind) else kind


def _is_view(kind: Any) -> bool:
    import pyarrow.types as t

    return bool(t.is_list_view(kind) or t.is_large_list_view(kind))


def _is_long_decimal(kind: Any) -> bool:
    import pyarrow.types as t

    return bool(t.is_decimal(kind) and kind.precision > MAX_PRECISION)


def _has(kind: Any, test: Any) -> bool:
    """Whether a test is true for a type or for a type within it."""
    import pyarrow.types as t

    if test(kind):
        return True
    if t.is_dictionary(kind):
        return _has(kind.value_type, test)
    if t.is_nested(kind):
        return any(_has(kind.field(i).type, test) for i in range(kind.num_fields))
    return False
