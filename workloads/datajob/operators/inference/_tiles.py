"""Images that a CPU worker has prepared for a model: resized and cut into tiles of 8-bit pixels.

They replace the encoded image in its column, so that a process with an accelerator neither decodes nor resizes. The key of the
model output cache is that of the encoded image.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

_MAGIC = b"\0datajob tiles 1\0"
_HEADER = struct.Struct("<6I16s")

Prepare = Callable[[Any], "Tiles | None"]


@dataclass(frozen=True)
class Tiles:
    """A prepared image."""

    pixels: NDArray[Any]
    """8-bit: tile, channel, height, width."""
    size: tuple[int, int]
    """Height and width of the upright image."""
    digest: bytes
    """Of the encoded image."""

    def packed(self) -> bytes:
        """The image as a value of its column."""
        return _MAGIC + _HEADER.pack(*self.pixels.shape, *self.size, self.digest) + self.pixels.tobytes()


def unpacked(value: Any) -> Tiles | None:
    """The prepared image in a value of a column; None for another value."""
    import numpy as np

    if isinstance(value, Mapping):
        value = value.get("bytes")
    if not isinstance(value, bytes | memoryview) or bytes(value[: len(_MAGIC)]) != _MAGIC:
        return None
    start = len(_MAGIC) + _HEADER.size
    if len(value) < start:
        return None
    *shape, height, width, digest = _HEADER.unpack_from(value, len(_MAGIC))
    if math.prod(shape) != len(value) - start:
        return None
    return Tiles(np.frombuffer(value, np.uint8, offset=start).reshape(shape), (height, width), digest)


def content_digest(value: Any) -> bytes:
    """Identifies the content of an image, whether it is prepared or not."""
    if (tiles := unpacked(value)) is not None:
        return tiles.digest
    content = value.tobytes() if hasattr(value, "tobytes") else value if isinstance(value, bytes) else repr(value).encode()
    return hashlib.blake2b(f"{getattr(value, 'shape', len(content))}\0".encode() + content, digest_size=16).digest()


def with_tiles(column: pa.Array, prepare: Prepare) -> pa.Array:
    """A column of encoded images, of structs with `bytes`, or of lists of these, with the images that `prepare` returns."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) else column.type
    bytes_type = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
    if not (pa.types.is_binary(bytes_type) or pa.types.is_large_binary(bytes_type)):
        return column
    return pa.array([_replaced(value, prepare) for value in column.to_pylist()], column.type)


def _replaced(value: Any, prepare: Prepare) -> Any:
    if isinstance(value, list):
        return [_replaced(one, prepare) for one in value]
    content = value.get("bytes") if isinstance(value, Mapping) else value
    if not isinstance(content, bytes) or (tiles := prepare(value)) is None:
        return value
    return {**value, "bytes": tiles.packed()} if isinstance(value, Mapping) else tiles.packed()
