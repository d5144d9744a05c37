"""Values from the texts that the writers of CSV and JSON make of them. Every conversion is exact or an error."""

from __future__ import annotations

from typing import Any

CLOCK = r"^[0-9]{2}:[0-9]{2}"
FRACTION_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
"""Decimal digits of seconds, by the name of their fraction."""


def text_as(text: Any, kind: Any) -> Any:
    """Strings as `kind`: ISO 8601 for times, seconds for durations. Raises ArrowInvalid if a value cannot be converted."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    if t.is_time(kind):  # Arrow has no cast from strings
        if not pc.all(pc.match_substring_regex(text, CLOCK), min_count=0).as_py():
            raise pa.ArrowInvalid(f"a value is not {kind}")
        return pc.binary_join_element_wise("1970-01-01T", text, "").cast(pa.timestamp(kind.unit)).cast(kind)
    if t.is_duration(kind):
        return decimal_as_duration(text.cast(pa.decimal128(38, FRACTION_DIGITS[kind.unit])), kind)
    if t.is_float16(kind):
        return text.cast(pa.float64()).cast(kind)
    return text.cast(kind)


def decimal_as_duration(seconds: Any, kind: Any) -> Any:
    """Decimals with as many digits as `kind` has, as durations."""
    import pyarrow as pa

    chunks = seconds.chunks if isinstance(seconds, pa.ChunkedArray) else [seconds]
    ticks = [chunk.view(pa.decimal128(38, 0)).cast(pa.int64()).view(kind) for chunk in chunks]
    return pa.chunked_array(ticks, kind) if isinstance(seconds, pa.ChunkedArray) else ticks[0]
