"""Types that Parquet supports, checked once per schema before anything is written."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob
from datajob.formats._columns import empty_table, leaves

if TYPE_CHECKING:
    import pyarrow as pa

READABLE_LEVELS = 99
"""Maximum levels of the Parquet schema that pyarrow reads. A list has two levels."""
DAY = 86_400_000
"""Milliseconds."""
READABLE_LISTS = 20
"""Maximum depth of nested lists. Each level doubles the time in DuckDB: a third of a second for 20, minutes for 30."""


def check_storable(schema: pa.Schema) -> None:
    """Raise InvalidJob for the first column that Parquet does not support or that readers could not read."""
    _check(schema.remove_metadata())


@lru_cache(maxsize=256)
def _check(schema: pa.Schema) -> None:
    if _problem(schema) is None:
        return
    import pyarrow as pa

    for field in schema:
        if problem := _problem(pa.schema([field])):
            raise InvalidJob(
                f"sink.parquet: column {field.name} has a type that Parquet cannot store ({_short(field.type)}: {problem}). "
                f"{_advice(field)}, drop the column, or write JSON."
            )
    raise InvalidJob(f"sink.parquet: Parquet does not support this combination of columns: {_problem(schema)}.")


def _advice(field: Any) -> str:
    """How to change the type of a column."""
    import pyarrow as pa

    if pa.types.is_interval(field.type):
        return f"Use `cast: {{columns: {{{field.name}: 'duration[us]'}}}}`, or `string` for intervals with months"
    return "Change its type with a `cast` or `compute` step"


@lru_cache(maxsize=256)
def storable(kind: pa.DataType) -> bool:
    """Whether Parquet supports a type."""
    import pyarrow as pa

    return _problem(pa.schema([pa.field("c", kind)])) is None


def as_storable(table: pa.Table) -> pa.Table:
    """The table with JSON text in place of each column that Parquet cannot store, because of its type or of a value."""
    from datajob.formats._json_write import json_values

    for index, field in enumerate(table.schema):
        column = table.column(index)
        if not (storable(field.type) and _fits(column)):
            table = table.set_column(index, field.name, json_values(column))
    return table


def _fits(column: Any) -> bool:
    """Whether Parquet can represent the seconds and days of a column, for which it has milliseconds and 32 bits."""
    import pyarrow as pa
    import pyarrow.types as t

    if not any(unit in str(column.type) for unit in ("timestamp[s", "date64")):
        return True
    for leaf in (leaf for chunk in column.chunks for leaf in leaves(chunk)):
        try:
            if t.is_timestamp(leaf.type) and leaf.type.unit == "s":
                leaf.cast(pa.timestamp("ms", leaf.type.tz))
        except pa.ArrowInvalid:
            return False
        if t.is_date64(leaf.type) and not are_days(leaf):
            return False
    return True


def are_days(dates: Any) -> bool:
    """Whether all date64 values are days that Parquet can represent. pyarrow would store other ones as another day."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ticks = dates.cast(pa.int64())
    days = pc.divide(ticks, DAY)
    whole = pc.equal(ticks, pc.multiply(days, DAY))
    in_range = pc.equal(days, pc.shift_right(pc.shift_left(days, 32), 32))
    return bool(pc.all(pc.and_(whole, in_range), min_count=0).as_py())


def _problem(schema: pa.Schema) -> str | None:
    """The error when an empty table with the schema is written and read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for field in schema:
        if problem := _unreadable(field.type):
            return problem
    file = pa.BufferOutputStream()
    try:
        pq.write_table(empty_table(schema), file)
        pq.ParquetFile(pa.BufferReader(file.getvalue())).read()
    except (pa.ArrowException, OSError) as error:
        return str(error).splitlines()[0].rstrip(".")
    return None


def _unreadable(kind: Any) -> str | None:
    """Why readers fail on a type that pyarrow writes, or None. Not recursive, because types can be very deep."""
    import pyarrow as pa
    import pyarrow.types as t

    todo = [(kind, 1, 0)]
    nulls = unnamed = False
    while todo:
        one, level, lists = todo.pop()
        if level > READABLE_LEVELS or lists > READABLE_LISTS:
            return "nested too deeply for readers of Parquet"
        nulls = nulls or t.is_null(one)
        if isinstance(one, pa.BaseExtensionType):
            todo.append((one.storage_type, level, lists))
        elif t.is_struct(one):
            unnamed = unnamed or "" in one.names
            todo += [(field.type, level + 1, lists) for field in one]
        elif t.is_map(one):
            todo += [(one.key_type, level + 2, lists + 1), (one.item_type, level + 2, lists + 1)]
        elif t.is_fixed_size_list(one) and not one.list_size:
            return "pyarrow crashes when it reads lists of fixed size 0"
        elif t.is_nested(one) and not t.is_union(one):
            todo.append((one.value_type, level + 2, lists + 1))
    return "DuckDB cannot read a member without a name in a type that contains null" if nulls and unnamed else None


def _short(kind: Any) -> str:
    text = str(kind)
    return text if len(text) <= 80 else text[:80] + "..."
