"""Casts that change no value, except that a fraction becomes the nearest double or float."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datajob.formats._exact import survives_double

if TYPE_CHECKING:
    import pyarrow as pa

_INFINITE = r"(?i)^\s*[+-]?inf(inity)?\s*$"
_LONG = r"[0-9.]{8}|[eE]"
"""Numbers of fewer digits survive any floating type as well as a fraction can."""


def lossless(column: Any, wanted: pa.DataType) -> Any:
    """`column` as `wanted`. Raises ArrowInvalid for a value that would become another one."""
    import pyarrow as pa

    t = pa.types
    kind = column.type.value_type if t.is_dictionary(column.type) else column.type
    cast = column.cast(wanted, safe=True)
    is_text = t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind)
    if is_text and t.is_floating(wanted):
        _check_texts(column, cast, wanted)
    number = t.is_integer(kind) or t.is_floating(kind)
    rounds = (t.is_boolean(wanted) and number) or (t.is_floating(kind) and t.is_decimal(wanted))
    if rounds and not _same(cast.cast(kind), column):
        raise pa.ArrowInvalid(f"a value of type {kind} cannot be represented exactly as {wanted}")
    return cast


def _same(back: Any, column: Any) -> bool:
    return bool(back.equals(column)) or repr(back.to_pylist()) == repr(column.to_pylist())  # NaN is NaN


def _check_texts(column: Any, cast: Any, wanted: pa.DataType) -> None:
    """Raises ArrowInvalid for a number in `column` that is too large, or has more digits than `wanted` can hold."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = column.cast(pa.string())
    overflow = pc.and_(pc.is_inf(cast), pc.invert(pc.match_substring_regex(texts, _INFINITE)))
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
