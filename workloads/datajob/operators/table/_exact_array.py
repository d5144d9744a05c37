"""Python values as an Arrow array that holds the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datajob.operators.table._lossless import lossless

if TYPE_CHECKING:
    import pyarrow as pa

_INTEGERS = frozenset({int, type(None)})


def exact_array(values: list[Any], kind: pa.DataType) -> Any:
    """`values` as `kind`, with fractions rounded to floating-point numbers.

    Raises ArrowInvalid or ArrowTypeError for a value that would become another one: pyarrow cuts off fractions of integers,
    times of dates and unknown fields of structs without an error.
    """
    import pyarrow as pa

    array = pa.array(values, kind)
    if _keeps_values(kind) or (pa.types.is_integer(kind) and set(map(type, values)) <= _INTEGERS) or _equal(array, values):
        return array
    suggested = pa.array(values)
    if suggested.type == kind:
        return suggested
    return lossless(pa.chunked_array([suggested]), kind).combine_chunks()


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
