"""The types in which tables of Delta and Iceberg store columns: what both formats have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob

if TYPE_CHECKING:
    import pyarrow as pa

Leaf = Callable[[Any], Any]
"""The type in which a type without others inside is stored; None if there is none."""


def stored_types(schema: pa.Schema, leaf: Leaf, sink: str) -> pa.Schema:
    """The columns with types that represent all of their values. Raises InvalidJob if there is none."""
    import pyarrow as pa

    return pa.schema([pa.field(field.name, _stored(field.type, field.name, leaf, sink)) for field in schema])


def _stored(kind: Any, name: str, leaf: Leaf, sink: str) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    def inner(part: Any) -> Any:
        return _stored(part, name, leaf, sink)

    if t.is_struct(kind) and kind.num_fields:
        return pa.struct([pa.field(f.name, inner(f.type)) for f in kind])
    if t.is_map(kind):
        return pa.map_(inner(kind.key_type), inner(kind.item_type))
    if t.is_list(kind) or t.is_fixed_size_list(kind):
        return pa.list_(inner(kind.value_type))
    found = leaf(kind)
    if found is None:
        raise InvalidJob(
            f"sink.{sink}: column {name} is {kind}, which {sink.capitalize()} tables cannot store. Convert it with a `cast` "
            "step or leave it out with a `drop` step."
        )
    return found


def common_leaf(kind: Any) -> Any:
    """The type of values that both formats store in the same way; None for others."""
    import pyarrow as pa
    import pyarrow.types as t

    if isinstance(kind, pa.JsonType) or t.is_null(kind):
        return pa.string()
    if t.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if t.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if kind.precision <= 38 and 0 <= kind.scale <= kind.precision else None
    if t.is_date(kind):
        return pa.date32()
    if t.is_float16(kind):
        return pa.float32()
    return kind if t.is_floating(kind) or t.is_boolean(kind) or t.is_string(kind) or t.is_binary(kind) else None
