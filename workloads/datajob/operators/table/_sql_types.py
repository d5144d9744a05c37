"""Types that DuckDB lacks, and the types with which their values reach it unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

Leaf = Callable[[Any], Any]


def for_expressions(column: Any) -> Any:
    """`column` for SQL, where durations are intervals of microseconds. Raises ArrowInvalid for a finer duration."""
    return _cast(column, _interval)


def for_grouping(column: Any) -> Any:
    """`column` for grouping and selecting values, for which durations can be integers."""
    return _cast(column, _integer)


def _cast(column: Any, leaf: Leaf) -> Any:
    kind = _with_leaves(column.type, leaf)
    return column if kind == column.type else column.cast(kind)


def _interval(kind: Any) -> Any:
    import pyarrow as pa

    return pa.duration("us") if pa.types.is_duration(kind) and kind.unit == "ns" else _float(kind)


def _integer(kind: Any) -> Any:
    import pyarrow as pa

    return pa.int64() if pa.types.is_duration(kind) else _float(kind)


def _float(kind: Any) -> Any:
    import pyarrow as pa

    return pa.float32() if pa.types.is_float16(kind) else kind


def _with_leaves(kind: pa.DataType, leaf: Leaf) -> pa.DataType:
    """The type with every type that is not nested replaced by `leaf`."""
    import pyarrow as pa

    t = pa.types

    def within(field: Any) -> Any:
        return field.with_type(_with_leaves(field.type, leaf))

    if t.is_struct(kind):
        return pa.struct([within(field) for field in kind.fields])
    if t.is_map(kind):
        return pa.map_(within(kind.key_field), within(kind.item_field))
    if t.is_list(kind):
        return pa.list_(within(kind.value_field))
    if t.is_large_list(kind):
        return pa.large_list(within(kind.value_field))
    if t.is_fixed_size_list(kind):
        return pa.list_(within(kind.value_field), kind.list_size)
    return leaf(kind)
