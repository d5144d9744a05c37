"""Arrow types of Avro schemas. Values are decoded as stored, and converted to times, dates and decimals by Arrow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_PLAIN = {
    "null": "null",
    "boolean": "bool_",
    "int": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "bytes": "binary",
    "string": "string",
    "enum": "string",
}
_TIMES = {
    ("int", "date"): ("date32", ()),
    ("int", "time-millis"): ("time32", ("ms",)),
    ("long", "time-micros"): ("time64", ("us",)),
    **{
        ("long", f"timestamp-{name}"): ("timestamp", (unit, "UTC"))
        for name, unit in (("millis", "ms"), ("micros", "us"), ("nanos", "ns"))
    },
    **{
        ("long", f"local-timestamp-{name}"): ("timestamp", (unit,))
        for name, unit in (("millis", "ms"), ("micros", "us"), ("nanos", "ns"))
    },
}
"""Logical types with the type of Arrow, which stores the same integers."""
MAX_PRECISION = 76


class UnsupportedError(ValueError):
    """A type without an equivalent in Arrow."""


def arrow_fields(schema: Any) -> list[tuple[str, Any]]:
    """The fields of the record in a file, each with the Arrow type or the UnsupportedError of its type."""
    if not isinstance(schema, Mapping) or schema.get("type") != "record":
        raise UnsupportedError("the file does not contain records")
    named: dict[str, Any] = {}
    _register(schema, named, "")
    fields: list[tuple[str, Any]] = []
    for field in schema["fields"]:
        try:
            fields.append((field["name"], _arrow(field["type"], named, ())))
        except UnsupportedError as error:
            fields.append((field["name"], error))
    return fields


def stored_schema(schema: Any) -> Any:
    """The schema without logical types, so that values are decoded as they are stored, except for decimals."""
    if isinstance(schema, list):
        return [stored_schema(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    plain = {key: value for key, value in schema.items() if key != "logicalType" or value == "decimal"}
    for key in ("type", "items", "values"):
        if key in plain:
            plain[key] = stored_schema(plain[key])
    if "fields" in plain:
        plain["fields"] = [stored_schema(field) for field in plain["fields"]]
    return plain


def _register(schema: Any, named: dict[str, Any], space: str) -> None:
    """Collect the named types in a schema, by their names with and without the namespace."""
    if isinstance(schema, list):
        for each in schema:
            _register(each, named, space)
    elif isinstance(schema, Mapping):
        if schema.get("type") in ("record", "error", "enum", "fixed") and "name" in schema:
            name: str = schema["name"]
            space = schema.get("namespace", name.rpartition(".")[0] or space)
            short = name.rpartition(".")[2]
            named.setdefault(short, schema)
            named[f"{space}.{short}" if space else short] = schema
        for part in (schema.get("type"), schema.get("items"), schema.get("values"), *schema.get("fields", ())):
            if not isinstance(part, str):
                _register(part, named, space)


def _arrow(kind: Any, named: Mapping[str, Any], inside: tuple[int, ...]) -> Any:
    """The Arrow type. `inside` identifies the records around it."""
    import pyarrow as pa

    if isinstance(kind, list):
        others = [each for each in kind if each != "null"]
        if len(others) > 1:
            names = ", ".join(each if isinstance(each, str) else str(each.get("name", each.get("type"))) for each in others)
            raise UnsupportedError(f"a union of {names}")
        return _arrow(others[0], named, inside) if others else pa.null()
    if isinstance(kind, str):
        if kind in _PLAIN:
            return getattr(pa, _PLAIN[kind])()
        if kind not in named:
            raise UnsupportedError(f"the unknown type {kind}")
        return _arrow(named[kind], named, inside)
    if id(kind) in inside:
        raise UnsupportedError("a type that contains itself")
    return _complex(kind, named, (*inside, id(kind)))


def _complex(kind: Mapping[str, Any], named: Mapping[str, Any], inside: tuple[int, ...]) -> pa.DataType:
    import pyarrow as pa

    base, logical = kind["type"], kind.get("logicalType")
    made: Any
    if logical == "decimal" and base in ("bytes", "fixed"):
        precision, scale = int(kind["precision"]), int(kind.get("scale", 0))
        if not 1 <= precision <= MAX_PRECISION or not 0 <= scale <= precision:
            raise UnsupportedError(f"a decimal of {precision} digits with {scale} decimals")
        made = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    elif isinstance(base, str) and (base, logical) in _TIMES:
        name, parameters = _TIMES[base, str(logical)]
        made = getattr(pa, name)(*parameters)
    elif base in ("record", "error"):
        made = pa.struct([pa.field(field["name"], _arrow(field["type"], named, inside)) for field in kind["fields"]])
    elif base == "array":
        made = pa.list_(_arrow(kind["items"], named, inside))
    elif base == "map":
        made = pa.map_(pa.string(), _arrow(kind["values"], named, inside))
    elif base == "fixed":
        made = pa.binary(int(kind["size"]))
    else:
        made = _arrow(base, named, inside)
    return made


def stored_type(kind: Any) -> Any:
    """The type of the decoded values of an Arrow type: integers in place of times."""
    import pyarrow as pa
    import pyarrow.types as t

    from datajob.formats._columns import rebuilt

    def leaf(one: Any) -> Any:
        if t.is_date32(one) or t.is_time32(one):
            return pa.int32()
        return pa.int64() if t.is_timestamp(one) or t.is_time64(one) else one

    return rebuilt(kind, leaf)
