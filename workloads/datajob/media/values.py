"""Media values in the columns of a table: bytes, paths or URLs, structs of both, and lists of any of these.

The struct is that of the features Image, Audio and Video of Hugging Face. Nothing is read or decoded here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.media.references import Reference, TimeSpan, parse_reference

if TYPE_CHECKING:
    import pyarrow as pa

Values = list["MediaValue"] | list[tuple["MediaValue", ...]]
"""The value of each row or, for a column of lists, the values of each row."""


@dataclass(frozen=True, slots=True)
class MediaValue:
    """Encoded media, or where they are. It has bytes, a path or both; a missing value has neither."""

    data: bytes | memoryview | None = None
    """Encoded bytes. If they are None, those that `path` and `byte_range` refer to."""
    path: str | None = None
    """Path or URL without its fragment."""
    byte_range: tuple[int, int] | None = None
    """Offset and length of the bytes in the file, from `#bytes=`."""
    time_span: TimeSpan | None = None
    """The clip of the media that is meant, from `#t=`: start and end in seconds."""
    problem: str | None = None
    """Why the reference cannot be read; `path` is then its text."""

    @property
    def missing(self) -> bool:
        """Whether the row has no media."""
        return self.data is None and not self.path

    @property
    def reference(self) -> str | None:
        """The path with its fragment."""
        return None if self.path is None else str(Reference(self.path, self.byte_range, self.time_span))


def media_type() -> pa.StructType:
    """`struct<bytes: binary, path: string>`, equal to the storage of Hugging Face's features."""
    import pyarrow as pa

    return pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])


def is_media(kind: pa.DataType) -> bool:
    """Whether a type is a struct of bytes and a path, or a list of them. Bytes or paths alone need not be media.

    One of both can have the type null, as in tables that were made of Python values without a type.
    """
    import pyarrow.types as t

    if is_list(kind):
        return is_media(kind.value_type)
    if not t.is_struct(kind):
        return False
    members = {field.name: field.type for field in kind}
    if set(members) != {"bytes", "path"}:
        return False
    data, path = members["bytes"], members["path"]
    return (is_bytes(data) and (is_text(path) or t.is_null(path))) or (t.is_null(data) and is_text(path))


def has_null(kind: pa.StructType) -> bool:
    """Whether a member of a struct has the type null, which cannot hold a value."""
    import pyarrow.types as t

    return any(t.is_null(field.type) for field in kind)


def accepts(kind: pa.DataType) -> bool:
    """Whether a column of this type can contain media."""
    return accepts(kind.value_type) if is_list(kind) else is_bytes(kind) or is_text(kind) or is_media(kind)


def is_null(kind: pa.DataType) -> bool:
    """Whether a type has no values but null, or is a list of it: that of a column in which all media are missing."""
    import pyarrow.types as t

    return is_null(kind.value_type) if is_list(kind) else bool(t.is_null(kind))


def media_values(column: pa.Array | pa.ChunkedArray) -> Values:
    """The media of each row: one value, or a tuple for a column of lists. Bytes are not copied.

    A null is a missing value, also in a column of the type null, and a null list is an empty tuple. Raises TypeError for a
    column of another type.
    """
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):  # chunk by chunk: together, they can have more than 2 GiB
        found: Any = [value for chunk in column.chunks for value in media_values(chunk)]
        return found  # type: ignore[no-any-return]
    if not is_list(column.type):
        return list(_scalars(column))
    items = iter(_scalars(flat(column)))
    return [tuple(next(items) for _ in range(length)) for length in item_counts(column)]


def item_counts(column: pa.Array) -> list[int]:
    """The number of items of each list; 0 for null."""
    import pyarrow.compute as pc

    counts: list[int] = pc.list_value_length(column).fill_null(0).to_pylist()
    return counts


def is_list(kind: Any) -> bool:
    """Whether a type is a list of any kind."""
    import pyarrow.types as t

    return any(test(kind) for test in (t.is_list, t.is_large_list, t.is_fixed_size_list, t.is_list_view, t.is_large_list_view))


def is_bytes(kind: Any) -> bool:
    """Whether a type holds bytes."""
    import pyarrow.types as t

    return any(test(kind) for test in (t.is_binary, t.is_large_binary, t.is_binary_view, t.is_fixed_size_binary))


def is_text(kind: Any) -> bool:
    """Whether a type holds text."""
    import pyarrow.types as t

    if t.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind))


def flat(column: Any) -> pa.Array:
    """The items of all lists, in order."""
    flat: pa.Array = column.flatten()
    return flat


def _scalars(column: Any) -> Iterator[MediaValue]:
    kind = column.type
    if not is_list(kind) and is_null(kind):
        return (MediaValue() for _ in range(len(column)))
    if is_bytes(kind):
        return (MediaValue(data) for data in views(column))
    if is_text(kind):
        return (_referring(None, text) for text in column.to_pylist())
    if not is_media(kind) or is_list(kind):
        raise TypeError(f"a column of type {kind} holds no media: it must be bytes, paths, structs of both, or lists of these")
    import pyarrow.compute as pc

    # struct_field applies the nulls of the struct
    data, paths = views(pc.struct_field(column, "bytes")), pc.struct_field(column, "path").to_pylist()
    return (_referring(some, path) for some, path in zip(data, paths, strict=True))


def _referring(data: memoryview | None, text: str | None) -> MediaValue:
    if text is None or "#" not in text:
        return MediaValue(data, text)
    try:
        found = parse_reference(text)
    except ValueError as error:
        return MediaValue(data, text, problem=str(error))
    return MediaValue(data, found.path, found.byte_range, found.time_span)


def views(column: Any) -> Iterator[memoryview | None]:
    """The bytes of each row, without copying them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as t

    if not t.is_binary(column.type) and not t.is_large_binary(column.type):
        column = column.cast(pa.large_binary())
    _, edges, content = column.buffers()
    if content is None or not len(column):
        return iter([b"" if valid else None for valid in column.is_valid().to_pylist()])  # type: ignore[misc]
    width = np.int64 if t.is_large_binary(column.type) else np.int32
    offsets = np.frombuffer(edges, width, len(column) + 1, column.offset * np.dtype(width).itemsize).tolist()
    whole = memoryview(content)
    valid = column.is_valid().to_pylist() if column.null_count else None
    return (None if valid is not None and not valid[i] else whole[offsets[i] : offsets[i + 1]] for i in range(len(column)))
