"""Refuses Python values of different types in one column, which pyarrow converts to the type of the first one."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping
from itertools import chain
from typing import Any

_PLAIN = {int, float, str, bytes, bool, decimal.Decimal}
_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "float"),
    (decimal.Decimal, "decimal"),
    (str, "text"),
    ((bytes, bytearray, memoryview), "bytes"),
    (datetime.date, "date"),
    (datetime.time, "time"),
    (datetime.timedelta, "duration"),
    (Mapping, "dict"),
    ((list, tuple, set, frozenset), "list"),
)
_NUMPY_KINDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "float", "U": "text", "S": "bytes"}
NAIVE, AWARE = "date and time without a time zone", "date and time with a time zone"
_TIMES = {NAIVE, AWARE, "duration"}
_COMPATIBLE = ({"integer", "float"}, {"integer", "decimal"})


def alike(values: list[Any]) -> list[Any]:
    """The values, with numbers of numpy as those of Python. Raises ArrowTypeError for values that one type would change."""
    types = set(map(type, values)) - {type(None)}
    if len(types) <= 1 and types <= _PLAIN:
        return values
    import pyarrow as pa

    if any(_is_numpy_scalar(kind) for kind in types):
        values = [value.item() if _is_numpy_number(value) else value for value in values]
    present = [value for value in values if value is not None]
    kinds = kinds_of(present)
    if len(kinds) > 1 and not any(kinds <= compatible for compatible in _COMPATIBLE):
        raise pa.ArrowTypeError(f"the values are of different types: {', '.join(sorted(kinds))}")
    if not kinds.isdisjoint(_TIMES):
        _check_nanoseconds(present)
    if kinds == {"list"}:
        _check_elements(present)
    elif kinds == {"dict"}:
        for key in dict.fromkeys(chain.from_iterable(present)):
            alike([value.get(key) for value in present])
    return values


def kinds_of(values: list[Any]) -> set[str]:
    """The kinds of the values that are not None. Raises ArrowTypeError for a time that has no type."""
    if (types := set(map(type, values))) <= {str, type(None)}:
        return {"text"} if str in types else set()
    return {_kind(value) for value in values if value is not None}


def _check_nanoseconds(values: list[Any]) -> None:
    """Raises ArrowTypeError for a value of pandas with nanoseconds, which the inferred type does not have."""
    import pyarrow as pa

    for value in values:
        if getattr(value, "nanosecond", None) or getattr(value, "nanoseconds", None):
            raise pa.ArrowTypeError(
                f"{value} has nanoseconds; set the type of the column in `types`, such as timestamp[ns] or duration[ns]"
            )


def _check_elements(lists: list[Any]) -> None:
    """Checks the elements of all lists. Those of an array of numbers have one type."""
    plain = [value for value in lists if not _is_array_of_numbers(value)]
    types = set(map(type, chain.from_iterable(plain))) - {type(None)}
    if len(plain) == len(lists) and len(types) <= 1 and types <= _PLAIN:
        return
    samples = {value.dtype: value[:1].tolist() for value in lists if _is_array_of_numbers(value)}
    alike([*chain.from_iterable(plain), *chain.from_iterable(samples.values())])


def _is_array_of_numbers(value: Any) -> bool:
    return type(value).__module__ == "numpy" and value.ndim == 1 and value.dtype.kind in "biuf"


def _is_numpy_scalar(kind: type) -> bool:
    return kind.__module__ == "numpy" and kind.__name__ != "ndarray"


def _is_numpy_number(value: Any) -> bool:
    return _is_numpy_scalar(type(value)) and value.dtype.kind in "biuf"


def _kind(value: Any) -> str:
    """The kind of a value. Raises ArrowTypeError for a time of day that would lose its time zone."""
    import pyarrow as pa

    if isinstance(value, datetime.datetime):
        if value != value:
            raise pa.ArrowTypeError("a value is NaT; return None instead")
        return NAIVE if value.tzinfo is None else AWARE
    if isinstance(value, datetime.time) and value.tzinfo is not None:
        raise pa.ArrowTypeError(f"{value} has a time zone, which a time of day cannot have; remove it")
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind
    if type(value).__module__ == "numpy":
        return "list" if type(value).__name__ == "ndarray" else _NUMPY_KINDS.get(value.dtype.kind, str(value.dtype))
    return type(value).__name__
