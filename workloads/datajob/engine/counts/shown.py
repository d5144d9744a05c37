"""Any value of any column as a short text, for the report and for messages. It never raises: a value is no reason to stop."""

from __future__ import annotations

import datetime
import decimal
from typing import TYPE_CHECKING, Any

from datajob.media.values import MediaValue, is_media, media_values

if TYPE_CHECKING:
    import pyarrow as pa

CHARACTERS = 400
LARGE = 64 << 10
"""Values of more bytes are not made a Python object as a whole."""


def shown(column: pa.ChunkedArray[Any], index: int, characters: int = CHARACTERS) -> str:
    """The value of a column at a position, as a text of at most `characters` and an ellipsis."""
    one = column.slice(index, 1).combine_chunks()
    array: Any = one.chunk(0) if hasattr(one, "chunks") else one
    text = _text(array)
    return text if len(text) <= characters else text[:characters] + "\u2026"


def _text(array: Any) -> str:
    try:
        if is_media(array.type):
            return _media(array)
        value = _value(_head(array))
        if isinstance(value, bytes):
            return f"<{_length(array)} bytes>"
        text = value if isinstance(value, str) else repr(value)
        return text.encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001 (any value)
        return f"<{array.type}>"


def _media(array: Any) -> str:
    """The paths and sizes of media."""
    (cell,) = media_values(array)
    return ", ".join(map(_of_media, cell)) if isinstance(cell, tuple) else _of_media(cell)


def _of_media(value: MediaValue) -> str:
    size = f"<{len(value.data)} bytes>" if value.data is not None else ""
    return " ".join(filter(None, (value.reference, size))) or "None"


def _value(array: Any) -> Any:
    """As Python has it; as JSON has it, for times that Python does not have."""
    import pyarrow as pa

    from datajob.formats._plain_values import json_array

    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        value = array.cast(pa.large_binary())[0].as_py()
        return None if value is None else value.decode("utf-8", "backslashreplace")
    try:
        return _plain(array[0].as_py())
    except Exception:  # noqa: BLE001 (OverflowError, ValueError, ZoneInfoNotFoundError, ...)
        return _plain(json_array(array)[0].as_py())


def _plain(value: Any) -> Any:
    """Decimals and times as their text."""
    return str(value) if isinstance(value, decimal.Decimal | datetime.date | datetime.time) else value


def _head(array: Any) -> Any:
    """The value, or its beginning when it is large."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if array.nbytes <= LARGE:
        return array
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _head(array.storage)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pc.binary_slice(array.cast(pa.large_binary()), 0, 4 * CHARACTERS).cast(pa.large_string(), safe=False)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.array([b""])
    return pa.array([f"<{kind} of {_size(array.nbytes)}>"])


def _length(array: Any) -> int:
    import pyarrow.compute as pc

    return int(pc.binary_length(array)[0].as_py())


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"
