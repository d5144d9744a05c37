"""Python values as an Arrow array that holds the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datajob.operators.table._alike import AWARE, NAIVE, alike, kinds_of
from datajob.operators.table._lossless import lossless

if TYPE_CHECKING:
    import pyarrow as pa

_INTEGERS = frozenset({int, type(None)})


def inferred_array(values: list[Any]) -> Any:
    """`values` with the type that they suggest. Raises ArrowInvalid or ArrowTypeError if their types differ."""
    import pyarrow as pa

    return pa.array(alike(values))


def exact_array(values: list[Any], kind: pa.DataType) -> Any:
    """`values` as `kind`, with fractions rounded to floating-point numbers.

    Raises ArrowInvalid or ArrowTypeError for a value that would become another one: pyarrow cuts off fractions of integers,
    times of dates and unknown fields of structs without an error.
    """
    import pyarrow as pa

    if _keeps_values(kind):
        return pa.array(alike(values), kind)
    array = pa.array(values, kind)
    if (pa.types.is_integer(kind) and set(map(type, values)) <= _INTEGERS) or _equal(array, values):
        return array
    suggested = inferred_array(values)
    if suggested.type == kind:
        return suggested
    return lossless(pa.chunked_array([suggested]), kind).combine_chunks()


def previous_array(values: list[Any], kind: pa.DataType) -> Any:
    """`values` as `kind`, the type that their column had before, or as they suggest if that is another kind of type."""
    import pyarrow as pa

    if not _reinterprets(values, kind):
        try:
            return exact_array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            pass
    return inferred_array(values)


def _reinterprets(values: list[Any], kind: Any) -> bool:
    """Whether numbers would become times, bytes text, or times would get or lose a time zone."""
    import pyarrow as pa

    t = pa.types
    expected: tuple[tuple[bool, set[str]], ...] = (
        (t.is_string(kind) or t.is_large_string(kind), {"text"}),
        (t.is_binary(kind) or t.is_large_binary(kind), {"bytes"}),
        (t.is_timestamp(kind) and kind.tz is None, {NAIVE, "date"}),
        (t.is_timestamp(kind) and kind.tz is not None, {AWARE}),
        (t.is_date(kind), {NAIVE, "date"}),
        (t.is_time(kind), {"time"}),
        (t.is_duration(kind), {"duration"}),
    )
    allowed = next((kinds for applies, kinds in expected if applies), None)
    return allowed is not None and not kinds_of(values) <= allowed


def _keeps_values(kind: pa.DataType) -> bool:
    """Whether pyarrow raises an error for every value that the type cannot hold."""
    import pyarrow as pa

    t = pa.types
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return _keeps_values(kind.value_type)
    kinds = (
        t.is_string,
        t.is_large_string,
        t.is_binary,
        t.is_large_binary,
        t.is_boolean,
        t.is_float64,
        t.is_decimal,
        t.is_null,
    )
    return any(is_kind(kind) for is_kind in kinds) or isinstance(kind, pa.BaseExtensionType)


def _equal(array: Any, values: list[Any]) -> bool:
    try:
        return bool(array.to_pylist() == values)
    except (OverflowError, ValueError):  # a date that Python lacks; arrays of numpy, which have no single truth
        return False
