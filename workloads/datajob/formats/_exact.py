"""Types that represent every value exactly: unification across files and sources, and lossless casts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from datajob.formats._cast import sound_cast
from datajob.formats._plain_values import without_extensions

if TYPE_CHECKING:
    import pyarrow as pa

EXACT = 2**53
"""Doubles represent all integers up to this magnitude."""
ROUNDS_FROM = {16: 2.0**11, 32: 2.0**24, 64: 2.0**53}
"""The size from which a floating-point type does not represent every integer, by its bits."""
Common = Callable[[Any, Any], Any]
"""The type that represents the values of two types. Raises ArrowException if there is none."""
_DIGITS = re.compile(r"-?([0-9]*)\.?([0-9]*)(?:[eE]([-+]?[0-9]+))?")


def survives_double(text: str) -> bool:
    """Whether a double represents the number `text` exactly: printed with as many digits, it is the same number."""
    match = _DIGITS.fullmatch(text)
    if not match or not (match[1] or match[2]):
        return False
    digits = len((match[1] + match[2]).strip("0"))
    if not digits:
        return not text.startswith("-") or "." in text or "e" in text.lower()  # the integer -0 loses its sign
    number, wanted = float(text), as_decimal(text)
    return math.isfinite(number) and wanted in (Decimal(repr(number)), Decimal(f"{number:.{digits - 1}e}"))


def as_decimal(text: str) -> Decimal | None:
    """The number `text`; None if Decimal refuses its exponent, which has more than 18 digits."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def common_type(a: Any, b: Any) -> pa.DataType:
    """A type that represents all values of both types. Integers and doubles are compatible: casts to double are checked.

    Raises ArrowTypeError (or another ArrowException) if there is none, as for decimals and doubles, or texts and numbers.
    """
    import pyarrow as pa
    import pyarrow.types as t

    if a.equals(b) or t.is_null(b):
        return a
    if t.is_null(a):
        return b
    if t.is_struct(a) and t.is_struct(b):
        return _common_struct(a, b)
    if _is_list(a) and _is_list(b):
        return pa.list_(common_type(a.value_type, b.value_type))
    if t.is_map(a) and t.is_map(b):
        return pa.map_(common_type(a.key_type, b.key_type), common_type(a.item_type, b.item_type))
    if t.is_integer(a) and t.is_integer(b):
        return _common_integer(a, b)
    if (t.is_integer(a) or t.is_floating(a)) and (t.is_integer(b) or t.is_floating(b)):
        wider = a if a.bit_width >= b.bit_width else b
        return wider if t.is_floating(a) and t.is_floating(b) else pa.float64()
    if (t.is_decimal(a) or t.is_integer(a)) and (t.is_decimal(b) or t.is_integer(b)):
        return _common_decimal(_as_decimal(a), _as_decimal(b))
    if t.is_timestamp(a) and t.is_timestamp(b) and a.tz and b.tz and a.tz != b.tz:
        return common_type(pa.timestamp(a.unit, "UTC"), pa.timestamp(b.unit, "UTC"))
    if t.is_decimal(a) or t.is_decimal(b) or t.is_dictionary(a) or t.is_dictionary(b) or _is_text(a) != _is_text(b):
        raise pa.ArrowTypeError(f"no type can represent all values of {a} and {b}")
    pair = [pa.schema([("", a)]), pa.schema([("", b)])]
    united: pa.DataType = pa.unify_schemas(pair, promote_options="permissive").field(0).type
    return united


def _is_text(kind: Any) -> bool:
    import pyarrow.types as t

    return bool(t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind))


def _common_struct(a: Any, b: Any) -> pa.DataType:
    import pyarrow as pa

    theirs = {field.name: field.type for field in b}
    mine = {field.name for field in a}
    fields = [pa.field(f.name, common_type(f.type, theirs[f.name]) if f.name in theirs else f.type) for f in a]
    return pa.struct([*fields, *(pa.field(f.name, f.type) for f in b if f.name not in mine)])


def _is_list(kind: Any) -> bool:
    import pyarrow.types as t

    return any(test(kind) for test in (t.is_list, t.is_large_list, t.is_fixed_size_list, t.is_list_view, t.is_large_list_view))


def _common_integer(a: Any, b: Any) -> pa.DataType:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_signed_integer(a) == t.is_signed_integer(b):
        wider: pa.DataType = a if a.bit_width >= b.bit_width else b
        return wider
    signed, unsigned = (a, b) if t.is_signed_integer(a) else (b, a)
    bits = max(signed.bit_width, 2 * unsigned.bit_width)
    made: pa.DataType = pa.decimal128(20) if bits > 64 else getattr(pa, f"int{bits}")()
    return made


def _as_decimal(kind: Any) -> Any:
    import pyarrow as pa

    return kind if pa.types.is_decimal(kind) else pa.decimal128(len(str(2**kind.bit_width)))


def _common_decimal(a: Any, b: Any) -> pa.DataType:
    import pyarrow as pa

    scale = max(a.scale, b.scale)
    precision = max(a.precision - a.scale, b.precision - b.scale) + scale
    if precision > 76:
        raise pa.ArrowTypeError(f"no decimal type can represent all values of {a} and {b}")
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)


class TypeConflictError(Exception):
    """A column has types in two places that no type unites."""

    def __init__(self, column: str, known: Any, first: Any, found: Any, second: Any) -> None:
        super().__init__(f"column {column} is {known} in {first} and {found} in {second}")
        self.column = column
        self.known, self.first = known, first
        """The type before the conflict, and the last place that changed it."""
        self.found, self.second = found, second
        """The type that does not fit, and its place."""


def unite_types(schemas: Iterable[tuple[Any, pa.Schema]], common: Common = common_type) -> dict[str, Any]:
    """The columns of schemas, each with its place, in order of appearance and with a type that `common` gives.

    Raises TypeConflictError at the first column for which `common` raises ArrowException.
    """
    import pyarrow as pa

    kinds: dict[str, Any] = {}
    places: dict[str, Any] = {}
    for place, schema in schemas:
        for field in schema:
            known = kinds.setdefault(field.name, field.type)
            first = places.setdefault(field.name, place)
            if known.equals(field.type):
                continue
            try:
                kinds[field.name] = common(known, field.type)
            except pa.ArrowException as error:
                raise TypeConflictError(field.name, known, first, field.type, place) from error
            if not kinds[field.name].equals(known):
                places[field.name] = place
    return kinds


def exact_cast(column: Any, kind: Any) -> Any:
    """`column` as `kind`. Raises ArrowInvalid if a value would change, for example a double that a float cannot represent."""
    import pyarrow as pa

    column = without_extensions(column)  # pyarrow would store the bytes of UUIDs as text
    cast = column if column.type.equals(kind) else sound_cast(column, kind)
    if _may_round(column.type, kind) and not _same(sound_cast(cast, column.type), column):
        raise pa.ArrowInvalid(f"a value of type {column.type} cannot be represented exactly as {kind}")
    return cast


def _may_round(a: Any, b: Any) -> bool:
    """Whether Arrow's safe cast between two types rounds without an error."""
    import pyarrow.types as t

    if t.is_struct(a) and t.is_struct(b):
        theirs = {field.name: field.type for field in b}
        return any(_may_round(field.type, theirs[field.name]) for field in a if field.name in theirs)
    if _is_list(a) and _is_list(b):
        return _may_round(a.value_type, b.value_type)
    if t.is_map(a) and t.is_map(b):
        return _may_round(a.key_type, b.key_type) or _may_round(a.item_type, b.item_type)
    if t.is_floating(b):
        return bool(t.is_decimal(a) or (t.is_floating(a) and a.bit_width > b.bit_width))
    return bool(t.is_floating(a) and t.is_decimal(b))


def _same(a: Any, b: Any) -> bool:
    return bool(a.equals(b)) or repr(a.to_pylist()) == repr(b.to_pylist())  # equal but for NaN


def exact_concat(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all tables, with the union of their columns. Raises ArrowException if types are incompatible."""
    import pyarrow as pa

    if all(table.schema.equals(tables[0].schema) for table in tables):
        return pa.concat_tables(tables)
    try:
        kinds = unite_types((None, table.schema) for table in tables)
    except TypeConflictError as conflict:
        raise pa.ArrowTypeError(
            f"column {conflict.column} is {conflict.known} in some rows and {conflict.found} in others"
        ) from conflict
    return pa.concat_tables([_with_types(table, kinds) for table in tables])


def _with_types(table: pa.Table, kinds: dict[str, Any]) -> pa.Table:
    import pyarrow as pa

    def column(name: str, kind: Any) -> Any:
        if name not in table.column_names:
            return pa.nulls(table.num_rows, kind)
        found: Any = table.column(name)
        return found if found.type.equals(kind) else exact_cast(found, kind)

    return pa.table({name: column(name, kind) for name, kind in kinds.items()})
