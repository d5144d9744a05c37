"""Casts of nested columns that pyarrow 26 does not cast correctly.

Its casts of lists with nulls to lists with nulls return arrays that are too short. Its casts of list views to lists return
arrays with missing or invalid offsets, and therefore with other values.
"""

from __future__ import annotations

from typing import Any


def sound_cast(column: Any, kind: Any) -> Any:
    """A column or an array as `kind`, as `cast` does, but correct for members of type null and for list views."""
    import pyarrow as pa

    if not _is_broken(column.type, kind):
        return column.cast(kind)
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([_cast(chunk, kind) for chunk in column.chunks], kind)
    return _cast(column, kind)


def _is_list(kind: Any) -> bool:
    import pyarrow.types as t

    tests = (t.is_list, t.is_large_list, t.is_fixed_size_list, t.is_list_view, t.is_large_list_view)
    return any(test(kind) for test in tests)


def _is_broken(a: Any, b: Any) -> bool:
    """Whether pyarrow's cast between two types returns wrong values."""
    return _has_views(a) or (_has_nulls(a) and _has_nulls(b))


def _has_views(kind: Any) -> bool:
    """Whether a type is a list view or contains one."""
    import pyarrow.types as t

    if t.is_list_view(kind) or t.is_large_list_view(kind):
        return True
    return any(_has_views(kind.field(i).type) for i in range(kind.num_fields)) if t.is_nested(kind) else False


def _has_nulls(kind: Any) -> bool:
    """Whether the type null is among the members of a nested type, at any depth."""
    import pyarrow.types as t

    inner = [kind.field(i).type for i in range(kind.num_fields)] if t.is_nested(kind) else []
    return any(t.is_null(one) or _has_nulls(one) for one in inner)


def _cast(array: Any, kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    if array.type.equals(kind):
        return array
    if not _is_broken(array.type, kind):
        return array.cast(kind)
    if array.offset:
        array = pa.concat_arrays([array, array.slice(0, 0)])  # without an offset
    nulls = array.is_null()
    if t.is_struct(kind) and t.is_struct(array.type):
        parts = {name: array.field(i) for i, name in enumerate(array.type.names)}
        made = [_cast(parts[f.name], f.type) if f.name in parts else pa.nulls(len(array), f.type) for f in kind]
        return pa.StructArray.from_arrays(made, fields=list(kind), mask=nulls)
    if t.is_map(kind) and t.is_map(array.type):
        keys, items = _cast(array.keys, kind.key_type), _cast(array.items, kind.item_type)
        return pa.MapArray.from_arrays(array.offsets, keys, items, type=kind, mask=nulls)
    if t.is_fixed_size_list(kind) and t.is_fixed_size_list(array.type) and kind.list_size == array.type.list_size:
        return pa.FixedSizeListArray.from_arrays(_cast(array.values, kind.value_type), type=kind, mask=nulls)
    if _is_list(array.type) and (t.is_list(kind) or t.is_large_list(kind)):
        return _list(array, kind, nulls)
    return array.cast(kind)


def _list(array: Any, kind: Any, nulls: Any) -> Any:
    """A list of any form as a list with offsets."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    is_large = pa.types.is_large_list(kind)
    lengths = pc.fill_null(pc.list_value_length(array).cast(pa.int64()), 0)
    ends = np.cumsum(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)
    offsets = pa.array(np.concatenate([[0], ends]), pa.int64()).cast(pa.int64() if is_large else pa.int32())
    lists: Any = pa.LargeListArray if is_large else pa.ListArray
    return lists.from_arrays(offsets, _cast(array.flatten(), kind.value_type), type=kind, mask=nulls)
