"""Encoded media as files: readers seek in them, and only the parts that are needed are read."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, overload

ReadAt = Callable[[int, int], "bytes | memoryview"]
"""Reads up to a number of bytes from an offset: (offset, size)."""
PIECE = 1 << 18
"""Bytes that are read at once from storage, because readers ask for a few bytes at a time."""


class MediaFile(io.RawIOBase):
    """A seekable file that cannot be written. Reads of storage are at least of a piece, the last of which is kept.

    If `grow_to` is set, each piece is twice as large as the one before, up to this size.
    """

    def __init__(
        self,
        read_at: ReadAt,
        size: int,
        piece: int = PIECE,
        close: Callable[[], None] | None = None,
        grow_to: int = 0,
    ) -> None:
        super().__init__()
        self.size = size
        self._read_at = read_at
        self._piece = piece
        self._grow_to = grow_to
        self._close = close
        self._at = 0
        self._start, self._held = 0, b""

    @classmethod
    def of(cls, data: bytes | memoryview) -> MediaFile:
        """A file of bytes in memory, which are not copied."""
        view = memoryview(data)
        return cls(lambda offset, size: view[offset : offset + size], len(view), piece=0)

    def within(self, start: int, length: int) -> MediaFile:
        """A range of the file, such as a member of an archive, as a file. Closing it closes the whole file."""
        return MediaFile(
            lambda offset, size: self._read_at(start + offset, size), length, self._piece, self.close, self._grow_to
        )

    def part(self, offset: int, length: int) -> bytes:
        """The bytes of a range, fewer at the end of the file. Does not move the position."""
        if not self._start <= offset <= offset + length <= self._start + len(self._held):
            wanted = max(0, min(max(length, self._piece), self.size - offset))
            self._held, self._start = bytes(self._read_at(offset, wanted)) if wanted else b"", offset
            self._piece = max(self._piece, min(2 * self._piece, self._grow_to))
        start = offset - self._start
        found = self._held[start : start + length]
        if not self._piece:
            self._held = b""
        return found

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes into a buffer."""
        found = self.part(self._at, min(len(buffer), max(0, self.size - self._at)))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """The position."""
        return self._at

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def close(self) -> None:
        """Close what the bytes are read from."""
        if not self.closed and self._close is not None:
            self._close()
        super().close()


class Lazy:
    """The bytes of a file for the parsers of headers: only what they slice is read."""

    def __init__(self, file: MediaFile) -> None:
        self._file = file

    def __len__(self) -> int:
        return self._file.size

    @overload
    def __getitem__(self, key: int, /) -> int: ...

    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...

    def __getitem__(self, key: int | slice, /) -> int | bytes:
        if isinstance(key, int):
            return self._file.part(key, 1)[0]
        start, stop, _ = key.indices(self._file.size)
        return self._file.part(start, stop - start) if stop > start else b""

    def startswith(self, prefix: bytes, start: int = 0, /) -> bool:
        """Whether the bytes from `start` on begin with a prefix."""
        return self[start : start + len(prefix)] == prefix
