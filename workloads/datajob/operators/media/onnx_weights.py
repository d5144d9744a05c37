"""The weights in an ONNX file, read without onnxruntime: the initializers of its graph (protocol buffers)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_GRAPH, _INITIALIZER = 7, 5
_DIMS, _TYPE, _NAME, _RAW = 1, 2, 8, 9
_FLOAT = 1


def read_weights(data: bytes) -> dict[str, NDArray[np.float32]]:
    """The tensors of 32-bit numbers by name."""
    import numpy as np

    found = {}
    for graph in _parts(data, _GRAPH):
        for tensor in _parts(graph, _INITIALIZER):
            dims = [value for number, value in _fields(tensor) if number == _DIMS]
            kind = next((value for number, value in _fields(tensor) if number == _TYPE), None)
            if kind == _FLOAT:
                [name], [raw] = _parts(tensor, _NAME), _parts(tensor, _RAW)
                found[bytes(name).decode()] = np.frombuffer(raw, np.float32).reshape(dims)
    return found


def _parts(data: bytes, wanted: int) -> list[Any]:
    return [value for number, value in _fields(data) if number == wanted]


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The number and the value of each field of a message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, at = _varint(data, at)
            yield number, data[at : at + size]
            at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
