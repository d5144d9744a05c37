"""Types of CSV columns. Numbers and booleans are inferred only if they represent every value exactly."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from datajob.formats._exact import EXACT, ROUNDS_FROM, as_decimal
from datajob.formats._text_cast import text_as

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

BOOLEAN = r"^(true|false)$"
INTEGER = r"^(0|-?[1-9][0-9]*)$"
DECIMAL = r"^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"
CERTAIN_DECIMAL = r"\.|[eE][-+]"
"""Without a point or a signed exponent in any value, `123e45` is more likely a hash than a number."""
SHORT = 15
"""A decimal of this length without an exponent has at most 15 digits, which a double represents exactly."""
HEAD = 1000
"""Values that are inspected first."""
LARGE = {b"large": b"1"}
"""Metadata of a column with larger integers."""


def inferred(name: str, column: Any, alone: bool) -> pa.Field[Any]:
    """The column `name` with a type that represents all values exactly: bool, int64, double or string; null without values.

    `alone`: it is the only column of its file, in which an empty text in quotes is null.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column.drop_null()
    if alone:
        values = values.filter(pc.greater(pc.binary_length(values), 0))
    if not len(values):
        return pa.field(name, pa.string() if len(column.drop_null()) else pa.null())
    if _all(values, BOOLEAN):
        return pa.field(name, pa.bool_())
    if _all(values, INTEGER):
        try:
            numbers: Any = values.cast(pa.string()).cast(pa.int64())
        except pa.ArrowInvalid:
            return pa.field(name, pa.string())
        large = pc.any(pc.greater(pc.abs(numbers), EXACT)).as_py()
        return pa.field(name, pa.int64(), metadata=LARGE if large else None)
    certain = pc.any(pc.match_substring_regex(values, CERTAIN_DECIMAL)).as_py()
    if certain and _all(values, DECIMAL) and not changed_by(values, converted(values, pa.float64())):
        return pa.field(name, pa.float64())
    return pa.field(name, pa.string())


def _all(values: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    parts = (values.slice(0, HEAD), values) if len(values) > HEAD else (values,)
    return all(pc.all(pc.match_substring_regex(part, pattern)).as_py() for part in parts)


def converted(column: Any, kind: Any) -> Any:
    """A column of bytes as `kind`. Raises ArrowInvalid if a value cannot be converted."""
    import pyarrow as pa

    if pa.types.is_binary(kind):
        return column
    text = column.cast(pa.string())
    return text if pa.types.is_string(kind) else text_as(text, kind)


def failing(column: Any, kind: Any) -> list[int]:
    """Positions of the values of a column that cannot be converted as a whole."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pattern = _shape(kind)
    if pattern is None:
        return _halved(column, 0, kind)
    wrong: Any = pc.fill_null(pc.invert(pc.match_substring_regex(column, pattern)), False)
    rest = pc.if_else(wrong, pa.scalar(None, pa.binary()), column)
    return sorted({*_positions(wrong), *_halved(rest, 0, kind)})


def _shape(kind: Any) -> str | None:
    """Patterns of the values of a type, to find most invalid values at once."""
    import pyarrow as pa

    if pa.types.is_integer(kind):
        return r"^-?(0[xX][0-9a-fA-F]+|[0-9]+)$"
    if pa.types.is_floating(kind):
        return r"^[-+]?[0-9.eE+-]+$|^[-+]?[iInN][a-zA-Z]+$"
    return r"^([tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|0|1)$" if pa.types.is_boolean(kind) else None


def _halved(column: Any, offset: int, kind: Any) -> list[int]:
    import pyarrow as pa

    try:
        converted(column, kind)
    except pa.ArrowException:
        if len(column) == 1:
            return [offset]
        half = len(column) // 2
        return [*_halved(column.slice(0, half), offset, kind), *_halved(column.slice(half), offset + half, kind)]
    return []


def _positions(mask: Any) -> list[int]:
    """The positions at which a mask is true."""
    import pyarrow.compute as pc

    found: list[int] = pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist()
    return found


def overflowing(column: Any, numbers: Any) -> list[int]:
    """Positions of values that are infinite only in `numbers`, not in the text, and of integers that changed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(numbers.type):
        return []
    bits, numbers = numbers.type.bit_width, numbers.cast(pa.float64())
    large = pc.greater_equal(pc.abs(numbers), ROUNDS_FROM[bits])
    if not pc.any(large, min_count=0).as_py():
        return []
    named = pc.match_substring_regex(column, r"^[-+]?[iI]")
    infinite = _positions(pc.and_not(pc.is_inf(numbers), named))
    whole = pc.and_(pc.and_(large, pc.is_finite(numbers)), pc.match_substring_regex(column, r"^[-+]?[0-9]+$"))
    return sorted({*infinite, *(i for i in _positions(whole) if int(column[i].as_py()) != int(numbers[i].as_py()))})


def changed_by(column: Any, values: Any) -> list[int]:
    """Positions of values that changed in the conversion to `values`."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    column, values = (pa.concat_arrays(c.chunks) if isinstance(c, pa.ChunkedArray) else c for c in (column, values))
    if pa.types.is_boolean(kind):
        return _positions(pc.invert(pc.match_substring_regex(column, BOOLEAN)))
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)) or not len(column):
        return []
    wrong, offsets = _odd_starts(column)
    if pa.types.is_floating(kind):
        positions = np.flatnonzero((np.diff(offsets) > SHORT) | _with_exponent(column, offsets))
        taken = pa.array(positions)
        wrong[positions] |= _inexact(column.take(taken), values.take(taken))
    if column.null_count:  # a null value can have bytes
        wrong &= column.is_valid().to_numpy(zero_copy_only=False)
    found: list[int] = np.flatnonzero(wrong).tolist()
    return found


def _odd_starts(column: Any) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Which numbers begin with a plus sign, a leading zero or a letter (or are -0), and where each begins."""
    import numpy as np

    count = len(column)
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + count + 1]
    lengths = np.diff(offsets)
    if not (buffer := column.buffers()[2]) or not buffer.size:
        return np.zeros(count, bool), offsets
    data = np.frombuffer(buffer, np.uint8)
    wrong = np.zeros(count, bool)
    first = data.take(offsets[:-1], mode="clip")
    odd = np.flatnonzero(((first <= ord("0")) | (first >= ord("A"))) & (lengths > 0))
    if not len(odd):
        return wrong, offsets
    starts, lengths, first = offsets[odd], lengths[odd], first[odd]
    minus = first == ord("-")
    digit = np.where(minus, data.take(starts + 1, mode="clip"), first)
    after = data.take(starts + 1 + minus, mode="clip")
    zero = (digit == ord("0")) & (lengths > 1 + minus) & (after != ord(".")) & ((after | 32) != ord("e"))
    minus_zero = minus & (digit == ord("0")) & (lengths == 2)
    wrong[odd] = (first == ord("+")) | zero | minus_zero | (digit >= ord("A"))
    return wrong, offsets


def _with_exponent(column: Any, offsets: NDArray[np.int32]) -> NDArray[np.bool_]:
    import numpy as np

    found = np.zeros(len(column), bool)
    if (buffer := column.buffers()[2]) and buffer.size:
        data = np.frombuffer(buffer, np.uint8)[offsets[0] : offsets[-1]]
        letters = np.flatnonzero((data | 32) == ord("e")) + offsets[0]
        found[np.searchsorted(offsets, letters, side="right") - 1] = True
    return found


def _inexact(column: Any, numbers: Any) -> NDArray[np.bool_]:
    """Which decimals a double does not represent exactly: first by the text that Arrow writes, then by exact arithmetic."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    same = pc.fill_null(pc.equal(numbers.cast(pa.string()).cast(pa.binary()), column), True).to_numpy(zero_copy_only=False)
    wrong = np.zeros(len(column), bool)
    for i in np.flatnonzero(~same):
        text, number = column[int(i)].as_py().decode(), numbers[int(i)].as_py()
        wrong[i] = not math.isfinite(number) or as_decimal(text) != Decimal(repr(number))
    return wrong
