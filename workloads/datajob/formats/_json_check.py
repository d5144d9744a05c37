"""Why a JSON line does not fit a schema, without a call of pyarrow per line."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from datajob.formats._json_declared import base64_bytes, misfit
from datajob.formats._json_values import InexactNumber, parsed, parsed_line
from datajob.formats._text_cast import text_as

if TYPE_CHECKING:
    import pyarrow as pa

ADVICE = "declare its type in `schema` (`text` and `json` accept any value), or list the columns to read in `columns`"

Check = Callable[[Any, str], str | None]
"""Takes a value and its place and returns what is wrong with it."""


class LineCheck:
    """Explains why lines do not fit a schema. Other fields are errors unless `others` are ignored.

    The columns in `texts` contain JSON text of values of their type. The objects in columns outside `declared` have all keys.
    """

    def __init__(self, schema: pa.Schema, others: bool, texts: Collection[str], declared: Collection[str]) -> None:
        checks = {field.name: type_check(field.type, False, field.name not in declared) for field in schema}
        self.columns = {name: _of_text(check) if name in texts else check for name, check in checks.items()}
        self._row = _object(self.columns, others)

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


def type_check(kind: Any, others: bool = True, complete: bool = False) -> Check:
    """The check of a value for a type. Objects may have keys that the type lacks if `others`, and have all if `complete`."""
    import pyarrow.types as t

    if t.is_struct(kind):
        inner = _object({field.name: type_check(field.type, others, complete) for field in kind}, others, complete)
        return lambda value, where: inner(value, where) if isinstance(value, dict) else _changed(where, "object", value)
    if t.is_list(kind) or t.is_fixed_size_list(kind):
        return _list(type_check(kind.value_type, others, complete))
    if t.is_map(kind):
        return _map(kind, type_check(kind.item_type, others, complete))
    if t.is_boolean(kind):
        return lambda value, where: None if isinstance(value, bool) else _changed(where, "boolean", value)
    if t.is_integer(kind):
        return _integer(kind)
    if t.is_floating(kind):
        return _floating(kind)
    if t.is_decimal(kind) or t.is_duration(kind):
        return _decimal(kind)
    if t.is_temporal(kind) or t.is_binary(kind):
        return _converted(kind)
    return lambda value, where: (
        None if isinstance(value, str) and not isinstance(value, InexactNumber) else _changed(where, "string", value)
    )


def _object(known: Mapping[str, Check], others: bool, complete: bool = False) -> Check:
    def check(value: Any, where: str) -> str | None:
        for name, item in value.items():
            at = f"{where}.{name}" if where else name
            found = known.get(name)
            if found is None:
                if not others:
                    return f"field {at} is not among the columns, which were inferred from a sample; {ADVICE}"
            elif item is not None and (problem := found(item, at)):
                return problem
        if complete and (lacking := known.keys() - value.keys()):
            return f"an object in column {where} lacks the key {min(lacking)}, which all objects in the sample have; {ADVICE}"
        return None

    return check


def _list(item: Check) -> Check:
    def check(value: Any, where: str) -> str | None:
        if not isinstance(value, list):
            return _changed(where, "array", value)
        at = f"{where}[]"
        return next((problem for one in value if one is not None and (problem := item(one, at))), None)

    return check


def _map(kind: Any, item: Check) -> Check:
    import pyarrow.types as t

    key = type_check(kind.key_type)
    whole = t.is_integer(kind.key_type)

    def check(value: Any, where: str) -> str | None:
        if not isinstance(value, dict):
            return _changed(where, "object", value)
        for name, one in value.items():
            as_key = int(name) if whole and re.fullmatch("-?[0-9]+", name) else name
            if (problem := key(as_key, f"{where} (key)")) or (one is not None and (problem := item(one, f"{where}.{name}"))):
                return problem
        return None

    return check


def _decimal(kind: Any) -> Check:
    import pyarrow as pa

    def check(value: Any, where: str) -> str | None:
        if isinstance(value, bool | dict | list):
            return _changed(where, "number", value)
        try:
            text_as(pa.array([str(value)]), kind)
        except pa.ArrowException:
            return f"column {where}: {str(value)[:100]!r} is not exactly {kind}; {ADVICE}"
        return None

    return check


def _converted(kind: Any) -> Check:
    """The check of a string that is converted."""
    import pyarrow as pa

    def check(value: Any, where: str) -> str | None:
        if not isinstance(value, str) or isinstance(value, InexactNumber):
            return _changed(where, "string", value)
        try:
            base64_bytes(value) if pa.types.is_binary(kind) else text_as(pa.array([value]), kind)
        except (pa.ArrowException, binascii.Error) as error:
            return f"column {where}: {misfit(str(error), kind)}"
        return None

    return check


def _of_text(inner: Check) -> Check:
    """The check of a value in JSON text."""

    def check(value: Any, where: str) -> str | None:
        return inner(parsed(value), where) if isinstance(value, str) else None

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
