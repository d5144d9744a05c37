"""Why a JSON line does not fit a schema, without a call of pyarrow per line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from datajob.formats._json_values import InexactNumber, parsed_line

if TYPE_CHECKING:
    import pyarrow as pa

ADVICE = "declare its type in `schema` (`text` and `json` accept any value), or list the columns to read in `columns`"

Check = Callable[[Any, str], str | None]
"""Takes a value and its place and returns what is wrong with it."""


class LineCheck:
    """Explains why lines do not fit a schema. Other fields are errors unless `others` are ignored."""

    def __init__(self, schema: pa.Schema, others: bool) -> None:
        self._row = _object({field.name: type_check(field.type, others) for field in schema}, others)

    def __call__(self, line: bytes) -> str | None:
        """What is wrong with a line, or None if no problem is found."""
        try:
            return self._row(parsed_line(line), "")
        except ValueError as error:
            return str(error)


def kind_of(value: Any) -> str:
    """The JSON type of a Python value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | InexactNumber):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "null"


def _changed(where: str, wanted: str, value: Any) -> str:
    return f"column {where} should be {wanted} but is {kind_of(value)}; {ADVICE}"


def type_check(kind: Any, others: bool = True) -> Check:
    """The check of a value for a type."""
    import pyarrow.types as t

    if t.is_struct(kind):
        inner = _object({field.name: type_check(field.type, others) for field in kind}, others)
        return lambda value, where: inner(value, where) if isinstance(value, dict) else _changed(where, "object", value)
    if t.is_list(kind) or t.is_fixed_size_list(kind):
        return _list(type_check(kind.value_type, others))
    if t.is_map(kind):
        return lambda value, where: None if isinstance(value, list) else _changed(where, "array", value)
    if t.is_boolean(kind):
        return lambda value, where: None if isinstance(value, bool) else _changed(where, "boolean", value)
    if t.is_integer(kind):
        return _integer(kind)
    if t.is_floating(kind):
        return _floating(kind)
    if t.is_decimal(kind):
        return lambda value, where: _changed(where, "number", value) if isinstance(value, bool | dict | list) else None
    return lambda value, where: (
        None if isinstance(value, str) and not isinstance(value, InexactNumber) else _changed(where, "string", value)
    )


def _object(known: Mapping[str, Check], others: bool) -> Check:
    def check(value: Any, where: str) -> str | None:
        for name, item in value.items():
            at = f"{where}.{name}" if where else name
            found = known.get(name)
            if found is None:
                if not others:
                    return f"field {at} is not among the columns, which were inferred from a sample; {ADVICE}"
            elif item is not None and (problem := found(item, at)):
                return problem
        return None

    return check


def _list(item: Check) -> Check:
    def check(value: Any, where: str) -> str | None:
        if not isinstance(value, list):
            return _changed(where, "array", value)
        at = f"{where}[]"
        return next((problem for one in value if one is not None and (problem := item(one, at))), None)

    return check


def _integer(kind: Any) -> Check:
    import pyarrow.types as t

    bits = kind.bit_width
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if t.is_signed_integer(kind) else (0, 2**bits)

    def check(value: Any, where: str) -> str | None:
        if type(value) is int:
            return None if low <= value < high else f"column {where}: {value} is not {kind}; {ADVICE}"
        if isinstance(value, float | InexactNumber):
            return f"column {where}: {value} is not {kind}; {ADVICE}"
        return _changed(where, "number", value)

    return check


def _floating(kind: Any) -> Check:
    exact = 2 ** {16: 11, 32: 24, 64: 53}[kind.bit_width]

    def check(value: Any, where: str) -> str | None:
        if type(value) is int:
            fits = -exact <= value <= exact or _is_float(value, kind)
            return None if fits else f"column {where}: {value} cannot be represented exactly as {kind}; {ADVICE}"
        if isinstance(value, InexactNumber):
            return f"column {where}: {value} cannot be represented exactly as {kind}; {ADVICE}"
        return None if isinstance(value, float) else _changed(where, "number", value)

    return check


def _is_float(value: int, kind: Any) -> bool:
    import pyarrow as pa

    try:
        return bool(int(pa.scalar(float(value)).cast(kind, safe=False).as_py()) == value)
    except OverflowError:
        return False
