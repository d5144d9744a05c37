"""The type that stands for bytes while rows move: where the bytes are stored, and a hash of them.

Bytes are values of the types binary and large_binary, also within lists and structs. Short ones are part of the value.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

FILE, OFFSET, LENGTH, HIGH, LOW, INLINE = (f"datajob.{name}" for name in ("file", "offset", "length", "high", "low", "inline"))


def stored_type(kind: Any) -> Any:
    """What stands for a type of bytes."""
    import pyarrow as pa

    lanes = [(HIGH, pa.uint64()), (LOW, pa.uint64())]
    return pa.struct([(FILE, pa.string()), (OFFSET, pa.int64()), (LENGTH, pa.int64()), *lanes, (INLINE, kind)])


def is_stored(kind: Any) -> bool:
    """Whether a type stands for bytes."""
    import pyarrow as pa

    return bool(pa.types.is_struct(kind) and kind.num_fields == 6 and kind.field(0).name == FILE)


def is_plain_bytes(kind: Any) -> bool:
    """Whether a type holds bytes that can be stored."""
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


@lru_cache(maxsize=1024)
def contains(kind: Any, stored: bool) -> bool:
    """Whether a type is or contains one that stands for bytes (`stored`), or bytes that can be stored."""
    import pyarrow.types as t

    if (is_stored if stored else is_plain_bytes)(kind):
        return True
    if is_stored(kind) or t.is_map(kind) or not (t.is_struct(kind) or t.is_list(kind) or t.is_large_list(kind)):
        return False
    return any(contains(kind.field(i).type, stored) for i in range(kind.num_fields))


def mapped(array: Any, stored: bool, leaf: Any) -> Any:
    """An array with `leaf` applied to the arrays within it that `contains` finds."""
    import pyarrow as pa

    kind = array.type
    if (is_stored if stored else is_plain_bytes)(kind):
        return leaf(array)
    if not contains(kind, stored):
        return array
    mask = array.is_null() if array.null_count else None
    if pa.types.is_struct(kind):
        made = [mapped(array.field(i), stored, leaf) for i in range(kind.num_fields)]
        fields = [pa.field(old.name, new.type) for old, new in zip(kind, made, strict=True)]
        return pa.StructArray.from_arrays(made, fields=fields, mask=mask)
    lists: Any = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
    flat = mapped(array.flatten(), stored, leaf)
    return lists.from_arrays(_offsets(array), flat, mask=mask)


def _offsets(array: Any) -> Any:
    """Offsets into the flattened lists, which has neither the items before a slice nor those of nulls."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = np.asarray(pc.list_value_length(array).fill_null(0))
    wide = pa.int64() if pa.types.is_large_list(array.type) else pa.int32()
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), wide)
