"""Convert columns of any Arrow type to types that JSON and CSV support, without loss of digits."""

from __future__ import annotations

import base64
import datetime
import decimal
import math
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any

from datajob.formats._cast import sound_cast

_PER_SECOND = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_EXACT_DECIMAL = 10**15
"""A double preserves 15 digits of a decimal."""
_FORMATTED_DAYS = 11_000_000
"""Maximum days since 1970 that Arrow formats, about 30,000 years."""


def json_column(column: Any) -> Any:
    """A column that DuckDB writes as JSON: times as ISO 8601 (UTC if they have a time zone), durations as seconds, bytes as
    base64, NaN and infinity as null."""
    import pyarrow as pa

    chunks = [json_array(chunk) for chunk in column.chunks]
    if len({chunk.type for chunk in chunks}) > 1:  # numbers that only some chunks need
        chunks = [json_array(pa.concat_arrays(column.chunks))]
        return pa.chunked_array(chunks)
    if all(now is then for now, then in zip(chunks, column.chunks, strict=True)):
        return column
    return pa.chunked_array(chunks, chunks[0].type)


def json_array(array: Any) -> Any:
    """An array as in `json_column`; the same object if nothing changes."""
    import pyarrow as pa
    import pyarrow.types as t

    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        if isinstance(kind, pa.Bool8Type):
            return array.storage.cast(pa.bool_())
        return uuid_texts(array) if isinstance(kind, pa.UuidType) else json_array(array.storage)
    if t.is_dictionary(kind):
        return json_array(array.dictionary_decode())
    if t.is_nested(kind) and not t.is_union(kind):
        return with_leaves(array, json_array)
    return _leaf(array)


def _leaf(array: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    kind = array.type
    if t.is_timestamp(kind) or t.is_date64(kind):
        utc = array.cast(pa.timestamp(kind.unit, "UTC")) if t.is_timestamp(kind) and kind.tz else array
        return _with_far_years(pc.replace_substring(utc.cast(pa.string()), " ", "T"), array)
    if t.is_date32(kind):
        return _with_far_years(array.cast(pa.string()), array)
    if t.is_time(kind):
        return array.cast(pa.string())
    if t.is_interval(kind):
        return pa.array([None if v is None else _interval(*v) for v in array.to_pylist()], pa.string())
    if t.is_duration(kind):
        return _seconds(array.cast(pa.int64()), _PER_SECOND[kind.unit])
    if t.is_decimal(kind) and kind.scale == 0:
        return _integers(array)
    if t.is_floating(kind):
        single = array.cast(pa.float32()) if t.is_float16(kind) else array
        finite = pc.is_finite(single)
        return single if pc.all(finite, min_count=0).as_py() else pc.if_else(finite, single, None)
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_fixed_size_binary(kind) or t.is_binary_view(kind):
        return pa.array([None if v is None else base64.b64encode(v).decode() for v in array.to_pylist()], pa.string())
    return array


def _with_far_years(texts: Any, times: Any) -> Any:
    """The texts of times, including years that Arrow does not format correctly (it wraps around at 32767)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = times.type
    digits = 3 if pa.types.is_date64(kind) else 0 if pa.types.is_date32(kind) else _PER_SECOND[kind.unit]
    per_day = 1 if pa.types.is_date32(kind) else 86_400 * 10**digits
    numbers = times.view(pa.int32() if kind.bit_width == 32 else pa.int64()).cast(pa.int64())
    last = _FORMATTED_DAYS * per_day
    if last >= 2**63:  # nanoseconds do not get so far
        return texts
    far = pc.or_(pc.greater(numbers, last), pc.less(numbers, -last))
    if not pc.any(far, min_count=0).as_py():
        return texts
    values = texts.to_pylist()
    for i in pc.indices_nonzero(pc.fill_null(far, False)).to_pylist():
        day, rest = divmod(numbers[i].as_py(), per_day)
        values[i] = _date(day)
        if pa.types.is_timestamp(kind):
            values[i] += f"T{_time(rest, digits)}{'Z' if kind.tz else ''}"
    return pa.array(values, pa.string())


def _time(ticks: int, digits: int) -> str:
    seconds, parts = divmod(ticks, 10**digits)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{clock}.{parts:0{digits}}" if digits else clock


def _date(day: int) -> str:
    """The ISO date of a day since 1970, in the proleptic Gregorian calendar (Howard Hinnant's algorithm)."""
    era, of_era = divmod(day + 719_468, 146_097)
    of_year_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * of_year_era + of_year_era // 4 - of_year_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = of_year_era + era * 400 + (month <= 2)
    return f"{'-' if year < 0 else ''}{abs(year):04}-{month:02}-{of_year - (153 * shifted + 2) // 5 + 1:02}"


def _seconds(numbers: Any, digits: int) -> Any:
    """Seconds from a number of fractions: as doubles if they are exact, otherwise as decimals."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = pc.min_max(numbers).as_py()
    if max(-(ends["min"] or 0), ends["max"] or 0) < _EXACT_DECIMAL:
        return pc.divide(numbers.cast(pa.float64()), 10.0**digits)
    return numbers.cast(pa.decimal128(19)).view(pa.decimal128(19, digits))


def _integers(array: Any) -> Any:
    """Decimals without fractions as integers, which DuckDB writes without a point, if all of them are small enough."""
    import pyarrow as pa

    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        return array


def _interval(months: int, days: int, nanoseconds: int) -> str:
    seconds = f"{decimal.Decimal(nanoseconds).scaleb(-9):f}"
    return f"P{months}M{days}DT{seconds}S"


def uuid_texts(array: Any) -> Any:
    """The texts of UUIDs."""
    import uuid

    import pyarrow as pa

    values = array.storage.to_pylist()
    return pa.array([None if v is None else str(uuid.UUID(bytes=v)) for v in values], pa.string())


def with_leaves(array: Any, convert: Callable[[Any], Any]) -> Any:
    """A list, struct or map whose members are converted. List views become lists. Other arrays are unchanged."""
    import pyarrow as pa
    import pyarrow.types as t

    if not t.is_nested(array.type) or t.is_union(array.type):
        return array
    if t.is_list_view(array.type) or t.is_large_list_view(array.type):
        array = sound_cast(array, pa.large_list(array.type.value_type))
    if array.offset:
        array = pa.concat_arrays([array, array.slice(0, 0)])  # without an offset
    kind, nulls = array.type, array.is_null() if array.null_count else None
    if t.is_struct(kind):
        parts = [array.field(i) for i in range(kind.num_fields)]
        made = [convert(part) for part in parts]
        if all(now is then for now, then in zip(made, parts, strict=True)):
            return array
        return pa.StructArray.from_arrays(made, names=list(kind.names), mask=nulls)
    if t.is_map(kind):
        keys, items = convert(array.keys), convert(array.items)
        same = keys is array.keys and items is array.items
        return array if same else pa.MapArray.from_arrays(array.offsets, keys, items, mask=nulls)
    values = array.values
    made = convert(values)
    if made is values:
        return array
    if t.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(made, kind.list_size, mask=nulls)
    lists: Any = pa.LargeListArray if t.is_large_list(kind) else pa.ListArray
    return lists.from_arrays(array.offsets, made, mask=nulls)


def json_text(value: Any) -> str:
    """A Python value as JSON text, with all digits of numbers."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value) if math.isfinite(value) else "null"
    if isinstance(value, decimal.Decimal):
        return f"{value:f}" if value.is_finite() else "null"
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_basestring(str(key))}:{json_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    return json_text(plain(value))


def plain(value: Any) -> Any:
    """A Python value that the module `json` can write."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, datetime.datetime):
        naive = value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value
        return naive.isoformat(timespec="microseconds") + ("Z" if value.tzinfo else "")
    return value if value is None or isinstance(value, str | int) else str(value)


def without_extensions(column: Any) -> Any:
    """A column or an array with texts in place of UUIDs and booleans in place of bytes, also within nested values."""
    import pyarrow as pa

    if not _has_extension(column.type):
        return column
    if isinstance(column, pa.ChunkedArray):
        empty: Any = pa.nulls(0, column.type)
        return pa.chunked_array([without_extensions(chunk) for chunk in column.chunks or [empty]])
    if isinstance(column.type, pa.UuidType):
        return uuid_texts(column)
    if isinstance(column.type, pa.Bool8Type):
        return column.storage.cast(pa.bool_())
    return with_leaves(column, without_extensions)


def _has_extension(kind: Any) -> bool:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_dictionary(kind):
        return _has_extension(kind.value_type)
    if t.is_nested(kind):
        return any(_has_extension(kind.field(number).type) for number in range(kind.num_fields))
    return isinstance(kind, pa.UuidType | pa.Bool8Type)
