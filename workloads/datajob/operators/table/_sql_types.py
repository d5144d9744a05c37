"""Types that DuckDB lacks, and the types with which their values reach it unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from datajob.formats._columns import rebuilt

Leaf = Callable[[Any], Any]


def for_expressions(column: Any) -> Any:
    """`column` for SQL, where durations are intervals of microseconds. Raises ArrowInvalid for a finer duration."""
    return _cast(column, _interval)


def for_grouping(column: Any) -> Any:
    """`column` for grouping and selecting values, for which durations can be integers."""
    return _cast(column, _integer)


def _cast(column: Any, leaf: Leaf) -> Any:
    kind = rebuilt(column.type, leaf)
    return column if kind == column.type else column.cast(kind)


def _interval(kind: Any) -> Any:
    import pyarrow as pa

    return pa.duration("us") if pa.types.is_duration(kind) and kind.unit == "ns" else _float(kind)


def _integer(kind: Any) -> Any:
    import pyarrow as pa

    if isinstance(kind, pa.UuidType):
        return pa.binary(16)  # DuckDB returns UUIDs as text
    return pa.int64() if pa.types.is_duration(kind) else _float(kind)


def _float(kind: Any) -> Any:
    import pyarrow as pa

    return pa.float32() if pa.types.is_float16(kind) else kind


def with_json(column: Any, sql_type: Any) -> Any:
    """A result of SQL of `sql_type`, whose JSON values DuckDB exports as text, at any depth, as JSON."""
    kind = _json_type(column.type, sql_type) if "JSON" in str(sql_type) else column.type
    return column if kind == column.type else column.cast(kind)


def _json_type(kind: Any, sql_type: Any) -> Any:
    import pyarrow as pa

    if str(sql_type) == "JSON":
        return pa.json_(pa.string())
    if sql_type.id not in ("list", "array", "struct", "map"):
        return kind
    inner = dict(sql_type.children)
    if sql_type.id == "struct":
        return pa.struct([(field.name, _json_type(field.type, inner[field.name])) for field in kind])
    if sql_type.id == "map":
        return pa.map_(_json_type(kind.key_type, inner["key"]), _json_type(kind.item_type, inner["value"]))
    size = [kind.list_size] if pa.types.is_fixed_size_list(kind) else []
    return pa.list_(_json_type(kind.value_type, inner["child"]), *size)
