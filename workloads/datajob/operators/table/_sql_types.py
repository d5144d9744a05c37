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

    return pa.int64() if pa.types.is_duration(kind) else _float(kind)


def _float(kind: Any) -> Any:
    import pyarrow as pa

    return pa.float32() if pa.types.is_float16(kind) else kind
