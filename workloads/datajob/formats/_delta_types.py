"""The types in which Delta tables store columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datajob.formats import _stored_types

if TYPE_CHECKING:
    import pyarrow as pa


def stored_types(schema: pa.Schema) -> pa.Schema:
    """The columns with types of Delta that represent all of their values. Raises InvalidJob if there is none."""
    return _stored_types.stored_types(schema, _leaf, "delta")


def _leaf(kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_unsigned_integer(kind):
        unsigned = {"uint8": pa.int16(), "uint16": pa.int32(), "uint32": pa.int64(), "uint64": pa.decimal128(20, 0)}
        return unsigned[str(kind)]
    if t.is_fixed_size_binary(kind):
        return pa.binary()
    return kind if t.is_signed_integer(kind) else _stored_types.common_leaf(kind)
