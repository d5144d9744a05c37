"""The records of WARC files: plain, or compressed with one member of gzip per record."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from datajob.formats._compression import codec_of, decompressed, refuse_binary
from datajob.formats.storage import readable, resolve

READ = 1 << 20
MAX_HEADER = 1 << 20
"""Bytes of the header of a record."""
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
_NAME = re.compile(rb"([^\s:]+)[ \t]*:[ \t]*")


@dataclass(frozen=True)
class Record:
    """A record as stored."""

    position: int | None
    """Byte of the file at which reading can start with this record; None if it begins inside a member of gzip."""
    offset: int
    """Byte of the decompressed content."""
    headers: Mapping[str, str]
    """Values by the name in lower case."""
    block: bytes


@contextmanager
def opened_records(path: str, start: int = 0) -> Iterator[Iterator[Record]]:
    """The records from byte `start`, at which a record begins. Raises InputError, also for a file that ends inside a record."""
    with readable(path, "as WARC"):
        filesystem, inner = resolve(path)
        codec = codec_of(path)
        with filesystem.open_input_file(inner) as file:
            file.seek(start)
            if codec == "gzip":
                yield _Records(_Members(file, start)).records()
            elif codec:
                yield _Records(_Plain(decompressed(path, file, codec), None)).records()
            else:
                if not start:
                    refuse_binary(path, bytes(file.read(16)))
                    file.seek(0)
                yield _Records(_Plain(file, start)).records()


class _Plain:
    """The content of a stream, and the position of each of its bytes."""

    def __init__(self, stream: Any, start: int | None) -> None:
        self._stream, self._start = stream, start

    def chunk(self) -> bytes:
        """More content; empty at the end."""
        return bytes(self._stream.read(READ))

    def position(self, offset: int) -> int | None:
        """The byte of the file for a byte of the content, if reading can start there."""
        return None if self._start is None else self._start + offset


class _Members:
    """The content of the members of a gzip file. Reading can start where a member starts."""

    def __init__(self, stream: Any, start: int) -> None:
        self._stream, self._read, self._offset = stream, start, 0
        self._starts: dict[int, int] = {}
        self._member: Any = None
        self._input = b""

    def chunk(self) -> bytes:
        """More content, of one member; empty at the end. Raises EOFError and OSError for damaged members."""
        while True:
            if not self._input:
                self._input = bytes(self._stream.read(READ))
                self._read += len(self._input)
                if not self._input:
                    if self._member is not None:
                        raise EOFError("Truncated gzip stream: the end of a member is missing")
                    return b""
            if self._member is None:
                self._input = self._input.lstrip(b"\0")  # padding
                if not self._input:
                    continue
                self._member = zlib.decompressobj(wbits=31)
                self._starts[self._offset] = self._read - len(self._input)
            try:
                data: bytes = self._member.decompress(self._input, READ)
            except zlib.error as error:
                raise OSError(f"Corrupt input data: {error}") from error
            self._input = self._member.unconsumed_tail
            if self._member.eof:
                self._input, self._member = self._member.unused_data, None
            if data:
                self._offset += len(data)
                return data

    def position(self, offset: int) -> int | None:
        """The byte of the file for a byte of the content, if a member starts there."""
        for earlier in [at for at in self._starts if at < offset]:
            del self._starts[earlier]
        return self._starts.get(offset)


class _Records:
    """Reads record by record."""

    def __init__(self, source: _Plain | _Members) -> None:
        self._source = source
        self._data, self._at, self._base = b"", 0, 0

    def records(self) -> Iterator[Record]:
        """All records. Raises EOFError or OSError for damage."""
        while self._skip_line_breaks():
            offset = self._base + self._at
            headers = self._headers(offset)
            length = headers.get("content-length", "")
            if not length.isascii() or not length.isdigit():
                raise OSError(f"the record at byte {offset} has no valid Content-Length")
            block = self._block(int(length), offset)
            yield Record(self._source.position(offset), offset, headers, block)

    def _fill(self) -> bool:
        chunk = self._source.chunk()
        if chunk:
            self._base += self._at
            self._data, self._at = self._data[self._at :] + chunk, 0
        return bool(chunk)

    def _skip_line_breaks(self) -> bool:
        """Go to the next record. Whether there is one."""
        while True:
            while self._at < len(self._data) and self._data[self._at] in b"\r\n":
                self._at += 1
            if self._at < len(self._data):
                return True
            if not self._fill():
                return False

    def _headers(self, offset: int) -> dict[str, str]:
        while True:
            if len(self._data) - self._at >= 5 and not self._data.startswith(b"WARC/", self._at):
                raise OSError(f"no record begins at byte {offset}")
            if end := _END_OF_HEADER.search(self._data, self._at):
                lines = self._data[self._at : end.start()]
                self._at = end.end()
                return parse_headers(lines.partition(b"\n")[2])
            if len(self._data) - self._at > MAX_HEADER:
                raise OSError(f"the header of the record at byte {offset} is longer than 1 MiB")
            if not self._fill():
                raise EOFError(f"the file ends in the header of the record at byte {offset}: truncated")

    def _block(self, length: int, offset: int) -> bytes:
        parts: list[bytes] = []
        while length:
            part = self._data[self._at : self._at + length]
            self._at += len(part)
            length -= len(part)
            parts.append(part)
            if length and not self._fill():
                raise EOFError(f"the file ends in the record at byte {offset}: truncated")
        return parts[0] if len(parts) == 1 else b"".join(parts)


def parse_headers(lines: bytes) -> dict[str, str]:
    """Values by the name in lower case; of a repeated name, the last one. Lines that begin with a blank continue a value."""
    headers: dict[str, str] = {}
    name = ""
    for line in lines.replace(b"\r\n", b"\n").split(b"\n"):
        if line[:1] in (b" ", b"\t") and name:
            headers[name] = f"{headers[name]} {as_text(line.strip())}"
        elif match := _NAME.match(line):
            name = as_text(match[1]).lower()
            headers[name] = as_text(line[match.end() :].strip())
    return headers


def as_text(value: bytes) -> str:
    """A header as text: UTF-8, otherwise Latin-1, as in HTTP."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
