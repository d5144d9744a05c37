"""What parent and child send each other through pipes: pickled values behind their length."""

from __future__ import annotations

import os
import pickle
import struct
from typing import Any

_LENGTH = struct.Struct("<Q")
CELL = struct.Struct("<q")
"""The number of the item that the child processes; written before it starts, so that it survives the child."""
NO_ITEM = -1


Part = bytes | memoryview


class _Parts(list[Part]):
    """What a pickler writes. It passes large bytes and arrays on without a copy."""

    def write(self, part: bytes | pickle.PickleBuffer) -> None:
        """Append a part; an array as its bytes."""
        self.append(part if isinstance(part, bytes) else pickle.PickleBuffer(part).raw())


def pack(value: Any) -> list[Part]:
    """A value as the parts of a frame. Large bytes and arrays in it, such as new files, are not copied."""
    parts = _Parts()
    pickle.Pickler(parts, pickle.HIGHEST_PROTOCOL).dump(value)
    length = _LENGTH.pack(sum(map(len, parts)))
    return [length + bytes(parts[0]), *parts[1:]]  # the first part is small: it ends at the first large value


def write(descriptor: int, frame: list[Part]) -> None:
    """Write a whole frame."""
    for part in frame:
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def read(descriptor: int) -> Any:
    """The next value. Raises EOFError at the end of the stream."""
    [length] = _LENGTH.unpack(_exactly(descriptor, _LENGTH.size))
    return pickle.loads(_exactly(descriptor, length))  # noqa: S301 - written by our own child or parent


def _exactly(descriptor: int, size: int) -> bytearray:
    """Read to memory that is allocated once: new files of a megabyte come in parts of 64 kB."""
    found = bytearray(size)
    rest = memoryview(found)
    while rest:
        count = os.readv(descriptor, [rest])
        if not count:
            raise EOFError
        rest = rest[count:]
    return found
