"""Casts that change no value, except that a fraction becomes the nearest double or float."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datajob.formats._exact import survives_double
from datajob.formats._plain_values import json_column

if TYPE_CHECKING:
    import pyarrow as pa

_INFINITE = r"(?i)^\s*[+-]?inf(inity)?\s*$"
_LONG = r"[0-9.]{8}|[eE]"
"""Numbers of fewer digits survive any floating type as well as a fraction can."""


def lossless(column: Any, wanted: pa.DataType) -> Any:
    """`column` as `wanted`. Raises ArrowInvalid for a value that would become another one."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_interval(column.type):
        return _from_intervals(column, wanted)
    _check_fields(column.type, wanted)
    cast = column.cast(wanted, safe=True)
    for before, after in zip(column.chunks, cast.chunks, strict=True):
        _check(before, after)
    return cast


def _from_intervals(column: Any, wanted: Any) -> Any:
    """Intervals as durations, or as ISO 8601 text. Raises ArrowInvalid for months, which have no fixed length."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_duration(wanted):
        return json_column(column).cast(wanted)
    array: Any = pa.concat_arrays(column.chunks)
    layout = np.dtype([("months", np.int32), ("days", np.int32), ("nanoseconds", np.int64)])
    parts = np.frombuffer(array.buffers()[1], layout, len(array), array.offset * layout.itemsize)
    valid = array.is_valid()
    months, days, rest = (pc.if_else(valid, pa.array(parts[name].astype(np.int64)), None) for name in layout.names or ())
    if pc.any(pc.not_equal(months, 0), min_count=0).as_py():
        raise pa.ArrowInvalid("an interval with months has no fixed length; cast it to `string` instead")
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[wanted.unit]
    ticks = pc.divide(rest, 10**9 // per_second)
    if not pc.all(pc.equal(pc.multiply(ticks, 10**9 // per_second), rest), min_count=0).as_py():
        raise pa.ArrowInvalid(f"an interval has a fraction of a second that {wanted} cannot represent")
    ticks = pc.add_checked(pc.multiply_checked(days, 86_400 * per_second), ticks)
    return pa.chunked_array([ticks.cast(wanted)])


def _check_fields(kind: pa.DataType, wanted: pa.DataType) -> None:
    """Raises ArrowInvalid for a field of a struct that would get lost."""
    import pyarrow as pa

    t = pa.types
    if t.is_struct(kind) and t.is_struct(wanted):
        if lost := [field.name for field in kind.fields if field.name not in wanted.names]:
            raise pa.ArrowInvalid(f"{wanted} has no field `{lost[0]}`")
        for field in kind.fields:
            _check_fields(field.type, wanted.field(field.name).type)
    elif t.is_nested(kind) and t.is_nested(wanted):
        for i in range(min(kind.num_fields, wanted.num_fields)):
            _check_fields(kind.field(i).type, wanted.field(i).type)


def _check(before: Any, after: Any) -> None:
    """Raises ArrowInvalid if an array holds other values than before its cast."""
    import pyarrow as pa

    t, kind, wanted = pa.types, before.type, after.type
    if t.is_nested(kind):
        for old, new in _parts(before, after):
            _check(old, new)
    elif t.is_floating(wanted):
        _check_floats(before, after)
    elif t.is_timestamp(kind) and t.is_date(wanted):
        _check_dates(before, after)
    elif _may_round(kind, wanted) and not _same(after.cast(kind), before):
        raise pa.ArrowInvalid(f"a value of type {kind} cannot be represented exactly as {wanted}")


def _may_round(kind: pa.DataType, wanted: pa.DataType) -> bool:
    import pyarrow as pa

    t = pa.types
    number = t.is_integer(kind) or t.is_floating(kind)
    return bool((t.is_boolean(wanted) and number) or (t.is_floating(kind) and t.is_decimal(wanted)))


def _parts(before: Any, after: Any) -> list[tuple[Any, Any]]:
    """The values within two nested arrays."""
    import pyarrow as pa

    t = pa.types
    if t.is_struct(before.type):
        old, new = before.flatten(), after.flatten()
        return [(old[i], new[after.type.get_field_index(field.name)]) for i, field in enumerate(before.type.fields)]
    if t.is_map(before.type) and t.is_map(after.type):
        old, new = (pa.concat_arrays([array, array.slice(0, 0)]) for array in (before, after))  # without an offset
        return [(old.keys, new.keys), (old.items, new.items)]
    return [(before.flatten(), after.flatten())] if t.is_nested(after.type) and not t.is_map(before.type) else []


def _check_floats(before: Any, after: Any) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    t, kind = pa.types, before.type
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind) or t.is_decimal(kind):
        _check_texts(before.cast(pa.string()), after)
    elif t.is_floating(kind) and after.type.bit_width < kind.bit_width:
        wide = after.cast(pa.float64())
        if pc.any(pc.and_(pc.is_inf(wide), pc.is_finite(before)), min_count=0).as_py():
            raise pa.ArrowInvalid(f"a value of type {kind} is too large for {after.type}")


def _check_dates(before: Any, after: Any) -> None:
    """Raises ArrowInvalid for a timestamp with a time of day, in its time zone."""
    import pyarrow as pa
    import pyarrow.compute as pc

    local = pc.local_timestamp(before) if before.type.tz else before
    if not _same(after.cast(local.type), local):
        raise pa.ArrowInvalid("a timestamp has a time of day; remove it with `CAST(... AS DATE)` in a `compute` step")


def _same(back: Any, before: Any) -> bool:
    return bool(back.equals(before)) or repr(back.to_pylist()) == repr(before.to_pylist())  # NaN is NaN


def _check_texts(texts: Any, cast: Any) -> None:
    """Raises ArrowInvalid for a number in `texts` that is too large, or has more digits than the type of `cast` can hold."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = cast.type
    finite = cast.cast(pa.float32()) if pa.types.is_float16(wanted) else cast
    overflow = pc.and_(pc.is_inf(finite), pc.invert(pc.match_substring_regex(texts, _INFINITE)))
    found: list[Any] = texts.filter(overflow).to_pylist()
    long = pc.match_substring_regex(texts, _LONG)
    for text, value in zip(texts.filter(long).to_pylist(), cast.filter(long).to_pylist(), strict=True):
        if text is not None and value is not None and not _survives(text.strip(), value, wanted.bit_width):
            found.append(text)
    if found:
        raise pa.ArrowInvalid(f"`{found[0]}` cannot be represented exactly as {wanted}")


def _survives(text: str, value: float, bits: int) -> bool:
    plain = text.removeprefix("+")
    if plain.removeprefix("-").isdecimal():
        return value == value and abs(value) != float("inf") and int(value) == int(plain)
    return bits < 64 or not any(c.isdigit() for c in plain) or survives_double(plain)
