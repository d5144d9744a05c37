"""Blobs of Lance: bytes outside of the rows. A row contains where they are, which becomes a reference to media."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.media.references import Reference
from datajob.media.values import is_media, media_type

if TYPE_CHECKING:
    import pyarrow as pa
    from lance.lance.schema import LanceField

INLINE, PACKED, DEDICATED, EXTERNAL = range(4)
"""Where the second version of blobs stores bytes: in the data file, together in a file next to it, alone, or elsewhere."""


@dataclass(frozen=True)
class Blobs:
    """A column of blobs, or of structs of a blob `bytes` and a `path`."""

    field_id: int
    """ID of the blob in the table, by which its data file is found."""
    in_struct: bool


def blob_columns(path: str, fields: list[LanceField], names: list[str]) -> dict[str, Blobs]:
    """The columns of blobs among `names`. Raises InputError for blobs in other places."""
    found = {}
    for field in fields:
        if field.name() not in names or not _inside(field):
            continue
        members = {member.name(): member for member in field.children()}
        if _is_blob(field):
            found[field.name()] = Blobs(field.id(), in_struct=False)
        elif set(members) == {"bytes", "path"} and _is_blob(members["bytes"]):
            found[field.name()] = Blobs(members["bytes"].id(), in_struct=True)
        else:
            raise InputError(
                f"{path}: column {field.name()} contains blobs within another type, of which no reference can be made. Set "
                "`blobs: bytes`, or exclude it with `columns`."
            )
    return found


def _is_blob(field: LanceField) -> bool:
    metadata: Mapping[str, str] = field.metadata  # type: ignore[attr-defined]  # missing in the stubs of pylance
    return metadata.get("lance-encoding:blob") == "true" or metadata.get("ARROW:extension:name") == "lance.blob.v2"


def _inside(field: LanceField) -> bool:
    return _is_blob(field) or any(_inside(member) for member in field.children())


def has_blobs(fields: list[LanceField]) -> bool:
    """Whether a column contains blobs."""
    return any(map(_inside, fields))


def plain_blobs(schema: pa.Schema) -> pa.Schema:
    """The columns with bytes in place of blobs of the second version."""
    import pyarrow as pa

    return pa.schema([pa.field(field.name, _without_blobs(field.type), field.nullable) for field in schema])


def _without_blobs(kind: Any) -> Any:
    import pyarrow as pa

    if getattr(kind, "extension_name", "") == "lance.blob.v2":
        return pa.binary()
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _without_blobs(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(_without_blobs(kind.value_type))
    return kind


def as_media(column: Any, blobs: Blobs, file: str) -> Any:
    """Media values that refer to the bytes. `column` has the places of the bytes, which belong to the data file `file`."""
    import pyarrow as pa

    made: list[Any] = []
    for value in column.to_pylist():
        place = value["bytes"] if value is not None and blobs.in_struct else value
        if place is not None:
            made.append(_reference(place, file))
        else:
            made.append(None if value is None else {"bytes": None, "path": value["path"]})
    return pa.chunked_array([pa.array(made, media_type())])


def _reference(place: Mapping[str, Any], file: str) -> dict[str, Any]:
    kind, start, size = place.get("kind", INLINE), place["position"], place["size"]
    if kind == EXTERNAL:
        part = (start, size) if size else None
        return {"bytes": None, "path": str(Reference(place["blob_uri"], part))}
    if not size:
        return {"bytes": b"", "path": None}
    if kind in (PACKED, DEDICATED):
        name = f"{place['blob_id']:032b}"[::-1]
        return {"bytes": None, "path": str(Reference(f"{file.removesuffix('.lance')}/{name}.blob", (start, size)))}
    if kind == INLINE:
        return {"bytes": None, "path": str(Reference(file, (start, size)))}
    raise InputError(f"{file}: contains blobs of an unknown kind ({kind}). Set `blobs: bytes`, or exclude the column.")


def with_media(schema: pa.Schema, names: Mapping[str, Blobs]) -> pa.Schema:
    """The columns with media in place of blobs."""
    for name in names:
        index = schema.get_field_index(name)
        schema = schema.set(index, schema.field(index).with_type(media_type()))
    return schema


def with_blobs(kind: Any) -> Any:
    """The type of media of which the bytes are stored as blobs."""
    import pyarrow as pa

    blob = pa.field("bytes", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    return pa.struct([blob, pa.field("path", pa.string())]) if is_media(kind) else kind
