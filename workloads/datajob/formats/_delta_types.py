"""The types in which Delta tables store columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob

if TYPE_CHECKING:
    import pyarrow as pa


def stored_types(schema: pa.Schema) -> pa.Schema:
    """The columns with types of Delta that represent all of their values. Raises InvalidJob if there is none."""
    import pyarrow as pa

    return pa.schema([pa.field(field.name, _stored(field.type, field.name)) for field in schema])


def _stored(kind: Any, name: str) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_struct(kind) and kind.num_fields:
        return pa.struct([pa.field(f.name, _stored(f.type, name)) for f in kind])
    if t.is_map(kind):
        return pa.map_(_stored(kind.key_type, name), _stored(kind.item_type, name))
    if t.is_list(kind) or t.is_fixed_size_list(kind):
        return pa.list_(_stored(kind.value_type, name))
    found = _leaf(kind)
    if found is None:
        raise InvalidJob(
            f"sink.delta: column {name} is {kind}, which Delta tables cannot store. Convert it with a `cast` step or leave it "
            "out with a `drop` step."
        )
    return found


def _leaf(kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    if isinstance(kind, pa.JsonType) or t.is_null(kind):
        return pa.string()
    unsigned = {"uint8": pa.int16(), "uint16": pa.int32(), "uint32": pa.int64(), "uint64": pa.decimal128(20, 0)}
    if t.is_unsigned_integer(kind):
        return unsigned[str(kind)]
    if t.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if t.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if kind.precision <= 38 and 0 <= kind.scale <= kind.precision else None
    if t.is_date(kind):
        return pa.date32()
    if t.is_float16(kind):
        return pa.float32()
    if t.is_fixed_size_binary(kind):
        return pa.binary()
    same = t.is_signed_integer(kind) or t.is_floating(kind) or t.is_boolean(kind) or t.is_string(kind) or t.is_binary(kind)
    return kind if same else None
