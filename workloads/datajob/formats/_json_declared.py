"""Declared types that JSON does not have: times, durations and bytes as the writer writes them, and maps, which are objects."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from datajob.formats._columns import rebuilt
from datajob.formats._text_cast import FRACTION_DIGITS, decimal_as_duration, text_as


class MisfitError(ValueError):
    """A value does not fit the declared type of its column."""


def form_of(kind: Any) -> Any:
    """The type in which values of `kind` are parsed: one that JSON has."""
    import pyarrow as pa
    import pyarrow.types as t

    def leaf(kind: Any) -> Any:
        if t.is_duration(kind):
            return pa.decimal128(38, FRACTION_DIGITS[kind.unit])
        if t.is_float16(kind):
            return pa.float64()
        return pa.string() if t.is_temporal(kind) or t.is_binary(kind) else kind

    return kind if isinstance(kind, pa.BaseExtensionType) else rebuilt(kind, leaf)


def has_map(kind: Any) -> bool:
    """Whether a type contains maps, which pyarrow does not parse."""
    import pyarrow.types as t

    if not t.is_nested(kind):
        return False
    return bool(t.is_map(kind)) or any(has_map(kind.field(i).type) for i in range(kind.num_fields))


def from_form(name: str, column: Any, kind: Any) -> Any:
    """A column that was parsed in the form of `kind` as `kind`. Raises MisfitError."""
    import pyarrow as pa

    try:
        return pa.chunked_array([_typed(chunk, kind) for chunk in column.chunks], kind)
    except (pa.ArrowException, binascii.Error) as error:
        raise MisfitError(f"column {name}: {misfit(str(error), kind)}") from error


def misfit(error: str, kind: Any) -> str:
    """What is wrong with a value, from an error of Arrow."""
    if "expected a zone offset" in error:
        return f"a time without UTC offset is not {kind}"
    if "expected no zone offset" in error:
        return f"a time with a UTC offset is not {kind}; declare timestamp[us, tz=UTC]"
    return f"a value is not {kind} ({error.rstrip('.')})"


def _typed(array: Any, kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    if array.type.equals(kind):
        return array
    if array.offset and t.is_nested(kind):
        array = pa.concat_arrays([array, array.slice(0, 0)])  # without an offset
    nulls = array.is_null() if t.is_nested(kind) and array.null_count else None
    if t.is_struct(kind):
        parts = [_typed(part, field.type) for part, field in zip(array.flatten(), kind, strict=True)]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=nulls)
    if t.is_map(kind):
        keys, items = _typed(array.keys, kind.key_type), _typed(array.items, kind.item_type)
        return pa.MapArray.from_arrays(array.offsets, keys, items, type=kind, mask=nulls)
    if t.is_list(kind):
        return pa.ListArray.from_arrays(array.offsets, _typed(array.values, kind.value_type), type=kind, mask=nulls)
    if t.is_binary(kind):
        return pa.array([None if text is None else base64_bytes(text) for text in array.to_pylist()], kind)
    return decimal_as_duration(array, kind) if t.is_duration(kind) else text_as(array, kind)


def base64_bytes(text: str) -> bytes:
    """The bytes that base64 stands for. Raises binascii.Error."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise binascii.Error(f"{text[:100]!r} is not base64") from error


def from_texts(name: str, column: Any, kind: Any, check: Callable[[Any, str], str | None]) -> Any:
    """A column of JSON texts, in which maps are objects, as a column of `kind`. Raises MisfitError.

    `check` returns what is wrong with a value for the type.
    """
    import pyarrow as pa

    texts = column.to_pylist()
    if problem := next((problem for text in texts if text is not None and (problem := check(text, name))), None):
        raise MisfitError(problem)
    try:
        values = [None if text is None else _with_pairs(json.loads(text, parse_float=Decimal), kind) for text in texts]
        made = pa.array(values, form_of(kind))
    except (pa.ArrowException, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise MisfitError(f"column {name}: a value is not {kind} ({error})") from error
    return from_form(name, pa.chunked_array([made]), kind)


def _with_pairs(value: Any, kind: Any) -> Any:
    """A JSON value with pairs in place of the members of maps."""
    import pyarrow.types as t

    if value is None:
        return None
    if t.is_map(kind):
        whole = t.is_integer(kind.key_type)
        return [(int(key) if whole else key, _with_pairs(item, kind.item_type)) for key, item in value.items()]
    if t.is_struct(kind):
        return {field.name: _with_pairs(value.get(field.name), field.type) for field in kind}
    if t.is_list(kind):
        return [_with_pairs(item, kind.value_type) for item in value]
    if isinstance(value, Decimal) and t.is_floating(kind):
        return float(value)
    return Decimal(value) if t.is_decimal(kind) else value
