"""Decompressed streams of compressed files."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from datajob.errors import InputError

CODECS: dict[str, str] = {
    ".gz": "gzip",
    ".tgz": "gzip",
    ".zst": "zstd",
    ".bz2": "bz2",
    ".lz4": "lz4",
    ".xz": "xz",
    ".zip": "zip",
}
"""Extensions of compressed files, which are read from the start."""
READ_ENDINGS = ("", *(ending for ending in CODECS if ending != ".tgz"))
"""Optional second extensions of files in folders."""
_MAGIC = (
    (b"\x1f\x8b", "gzip", ".gz"),
    (b"\x28\xb5\x2f\xfd", "zstd", ".zst"),
    (b"\xfd7zXZ\x00", "xz", ".xz"),
    (b"PK\x03\x04", "zip", ".zip"),
    (b"\x04\x22\x4d\x18", "lz4", ".lz4"),
)
_BZIP2, _BZIP2_BLOCK = b"BZh", b"1AY&SY"
XZ_READ = 256 << 10
SALVAGE_STEPS = (64 << 10, 256, 1)
"""Sizes of reads, each from the beginning, to approach the corrupt part of a file."""


def codec_of(path: str) -> str | None:
    """The compression for the extension of `path`, or None."""
    return next((codec for ending, codec in CODECS.items() if path.lower().endswith(ending)), None)


def refuse_binary(path: str, head: bytes) -> None:
    """Raise InputError if a text file begins like a compressed file or like Parquet."""
    for magic, codec, ending in _MAGIC:
        if head.startswith(magic):
            raise InputError(
                f"{path}: the content is compressed with {codec}, but the name does not end in {ending}; rename the file."
            )
    if head.startswith(_BZIP2) and head[4:10] == _BZIP2_BLOCK:
        raise InputError(f"{path}: the content is compressed with bzip2, but the name does not end in .bz2; rename the file.")
    if head.startswith(b"PAR1"):
        raise InputError(f"{path}: this is a Parquet file; read it with `parquet`.")


def decompressed(path: str, file: Any, codec: str) -> Any:
    """A stream of the content of an open file. Raises InputError for a zip archive that does not contain one file."""
    import pyarrow as pa

    if codec == "xz":
        return _Xz(file)
    return _zip_member(path, file) if codec == "zip" else pa.CompressedInputStream(file, codec)


class _Xz:
    """The content of an xz file: any number of streams, with zeros between and after them."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._stream: Any = None  # in progress
        self._ahead = b""  # read, but not decompressed

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; empty at the end. Raises OSError for corrupt data, and EOFError for a truncated file."""
        import lzma

        while True:
            if self._stream is None:
                self._skip_zeros()
                if not self._ahead:
                    return b""
                self._stream = lzma.LZMADecompressor()
            if self._stream.needs_input and not self._ahead and not self._more():
                raise EOFError("Truncated xz stream: the end-of-stream marker is missing")
            try:
                data: bytes = self._stream.decompress(self._ahead, size)
            except lzma.LZMAError as error:
                raise OSError(f"Corrupt input data: {error}") from error
            self._ahead = b""
            if self._stream.eof:
                self._ahead, self._stream = self._stream.unused_data, None
            if data:
                return data

    def _more(self) -> bool:
        self._ahead = self._file.read(XZ_READ)
        return bool(self._ahead)

    def _skip_zeros(self) -> None:
        self._ahead = self._ahead.lstrip(b"\0")
        while not self._ahead and self._more():
            self._ahead = self._ahead.lstrip(b"\0")

    def __enter__(self) -> _Xz:
        return self

    def __exit__(self, *details: object) -> None:
        self._file.close()


def _zip_member(path: str, file: Any) -> Any:
    import zipfile
    import zlib

    if not file.size():
        return io.BytesIO()
    try:
        archive = zipfile.ZipFile(_Positions(file))
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        if not names:
            raise InputError(f"{path}: the archive contains no file; delete it, or create it again.")
        if len(names) != 1:
            raise InputError(f"{path}: the archive contains {len(names)} files instead of one; extract it into a folder.")
        return _Translated(archive.open(names[0]), (zipfile.BadZipFile, zlib.error))
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:  # encrypted, or an unsupported method
        raise OSError(str(error)) from error


class _Positions:
    """A file for zipfile, which expects OSError for a position before its start."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def seek(self, position: int, origin: int = 0) -> int:
        """Go to a position."""
        try:
            found: int = self._file.seek(position, origin)
        except ValueError as error:  # ArrowInvalid
            raise OSError(str(error)) from error
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Translated:
    """A stream that raises OSError for all errors."""

    def __init__(self, stream: Any, errors: Any) -> None:
        self._stream, self._errors = stream, errors

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; empty at the end."""
        try:
            data: bytes = self._stream.read(size)
        except self._errors as error:
            raise OSError(str(error)) from error
        return data

    def __enter__(self) -> _Translated:
        return self

    def __exit__(self, *details: object) -> None:
        self._stream.close()


class Salvaged:
    """A stream that returns the readable content before the corrupt part of a file, and then raises the error."""

    def __init__(self, reopen: Callable[[], Any]) -> None:
        self._reopen = reopen
        self._stream = reopen()
        self._at = 0
        self._error: Exception | None = None

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; empty at the end."""
        if self._error is not None:
            raise self._error
        try:
            data: bytes = self._stream.read(size)
        except (OSError, EOFError) as error:
            self._error = error
            data = self._rest()
            if not data:
                raise
        self._at += len(data)
        return data

    def _rest(self) -> bytes:
        found: list[bytes] = []
        for size in SALVAGE_STEPS:
            with suppress(OSError, EOFError):
                stream = self._reopen()
                left = self._at + sum(map(len, found))
                while left:
                    left -= len(stream.read(min(left, SALVAGE_STEPS[0])))
                while piece := stream.read(size):
                    found.append(piece)
        return b"".join(found)
