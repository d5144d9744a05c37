"""The images of each row, from a column of bytes, paths, structs of both, pixels, or lists of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def images_of(column: pa.Array) -> list[tuple[Any, ...]]:
    """The images of each row, as `decode` accepts them; a null is a single missing image."""
    import pyarrow as pa

    if isinstance(column.type, pa.FixedShapeTensorType):
        whole = column.to_numpy_ndarray()
        return [(whole[i] if column[i].is_valid else None,) for i in range(len(column))]
    if not _is_list(column.type):
        return [(value,) for value in column.to_pylist()]
    depth = _depth(column.type)
    if depth == 0 or depth == 4:  # a list of files, or of pixels
        return [tuple(map(_array, row)) if row is not None else (None,) for row in column.to_pylist()]
    return [(_array(row),) for row in column.to_pylist()]


def _array(value: Any) -> Any:
    import numpy as np

    return np.array(value) if isinstance(value, list) else value


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _depth(kind: pa.DataType) -> int:
    """The nesting depth of lists of numbers; 0 for lists of anything else."""
    import pyarrow as pa

    depth = 0
    while _is_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth if pa.types.is_integer(kind) else 0
