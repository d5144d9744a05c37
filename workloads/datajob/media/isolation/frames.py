"""What parent and child send each other through pipes: pickled values behind their length."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from typing import Any

_LENGTH = struct.Struct("<Q")
CELL = struct.Struct("<q")
"""The number of the item that the child processes; written before it starts, so that it survives the child."""
NO_ITEM = -1


def pack(value: Any) -> bytes:
    """A value as a frame."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


def write(descriptor: int, frame: bytes) -> None:
    """Write a whole frame."""
    rest = memoryview(frame)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def read(receive: Callable[[int], bytes]) -> Any:
    """The next value. `receive` returns up to the given number of bytes. Raises EOFError at the end of the stream."""
    [length] = _LENGTH.unpack(_exactly(receive, _LENGTH.size))
    return pickle.loads(_exactly(receive, length))  # noqa: S301 - written by our own child or parent


def _exactly(receive: Callable[[int], bytes], size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        part = receive(min(size - len(found), 1 << 20))
        if not part:
            raise EOFError
        found += part
    return bytes(found)
