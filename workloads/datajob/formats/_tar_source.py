"""The bytes of a tar file for the module tarfile, whether or not its stream is seekable."""

from __future__ import annotations

import io
import sys
import tarfile
from typing import Any

BLOCK = tarfile.BLOCKSIZE
ZEROS = bytes(BLOCK)


class Joined:
    """A stream whose start has already been read."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self._head, self._rest = io.BytesIO(head), rest

    def read(self, size: int) -> bytes:
        data = self._head.read(size)
        return data if len(data) == size else data + self._rest.read(size - len(data))


class TarSource:
    """Bytes [`start`, `end`) of a file for tarfile, which steps back at most one block if the file is not seekable."""

    def __init__(self, stream: Any, start: int, end: int, seekable: bool) -> None:
        self._stream, self._end, self._seekable = stream, end if end >= 0 else sys.maxsize, seekable
        self._position = start
        self._tail = b""

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, position: int) -> int:
        """Go to a position. Skipped bytes are read if the file is not seekable."""
        if self._seekable:
            self._stream.seek(position)
            self._position = position
            return position
        while self._position < position and self._next(min(1 << 20, position - self._position)):
            pass
        back = self._position - position
        if back > 0:
            self._again = self._tail[-back:]
            self._position = position
        return self._position

    _again = b""

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes."""
        size = min(size if size >= 0 else sys.maxsize, self._end - self._position)
        if self._again:
            data, self._again = self._again[:size], self._again[size:]
            self._position += len(data)
            return data if len(data) == size else data + self._next(size - len(data))
        return self._next(size)

    def _next(self, size: int) -> bytes:
        data: bytes = self._stream.read(min(size, self._end - self._position))
        self._position += len(data)
        if not self._seekable:
            self._tail = (self._tail + data[-BLOCK:])[-BLOCK:]
        return data

    def at(self, position: int, size: int) -> bytes:
        """Bytes from a position. Raises ReadError if there are fewer."""
        self.seek(position)
        data = self.read(size)
        if len(data) < size:
            raise tarfile.ReadError("unexpected end of data")
        return data

    def done(self, position: int) -> bool:
        """Whether a part of a file ends here."""
        return position >= self._end

    def behind_zeros(self, position: int) -> int | None:
        """The first block from `position` that is not zeros; -1 at the end of the file; None if there is no such block."""
        self.seek(position)
        found = False
        while (block := self.read(BLOCK)) == ZEROS:
            found = True
            position += BLOCK
        return None if not found else -1 if not block.strip(b"\0") else position
