"""Read CSV in blocks of whole records."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Any

from datajob.formats import _csv_scan
from datajob.formats._csv_records import Dialect, Edit, Records
from datajob.formats._csv_scan import scan

TOO_LONG = "longer than 256 MiB"
SHOWN = 64 << 10
"""Bytes of such a record to keep."""


def record_blocks(stream: Any, dialect: Dialect, block_bytes: int) -> Iterator[Records]:
    """The records of a byte stream in the encoding of the dialect, in blocks of about `block_bytes`."""
    source = stream if dialect.encoding == "utf-8" else _Recoded(stream, dialect.encoding)
    held, newline, skip = b"", b"", dialect.skip_lines
    first, final = True, False
    while not final:
        chunk = source.read(max(block_bytes, len(held)))
        final = not chunk
        data = held + chunk if held else chunk
        if first:
            data, first = data.removeprefix(codecs.BOM_UTF8), False
        newline = newline or _newline(data)
        skip, data = _skipped(data, skip, newline or b"\n")
        records, held = scan(data, dialect, newline or b"\n", final=final)
        if records.data:
            yield records
        if len(held) > _csv_scan.LARGEST_RECORD and (newline or b"\n") not in held:
            yield Records(held[:SHOWN] + b"\n", [Edit(0, SHOWN + 1, TOO_LONG)])
            held = _rest_of_line(source, newline or b"\n")


def _newline(data: bytes) -> bytes:
    return b"\n" if b"\n" in data else b"\r" if b"\r" in data else b""


def _skipped(data: bytes, skip: int, newline: bytes) -> tuple[int, bytes]:
    """`data` without its first `skip` lines, and the number of lines that remain to be skipped."""
    while skip and data:
        end = data.find(newline) + 1
        if not end:
            return skip, b""
        data, skip = data[end:], skip - 1
    return skip, data


def _rest_of_line(source: Any, newline: bytes) -> bytes:
    while chunk := source.read(1 << 20):
        if end := chunk.find(newline) + 1:
            return bytes(chunk[end:])
    return b""


class _Recoded:
    """A stream in another encoding, converted to UTF-8. Invalid bytes are unchanged, so they are also invalid in UTF-8."""

    def __init__(self, stream: Any, encoding: str) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder(encoding)("surrogateescape").decode

    def read(self, size: int) -> bytes:
        """About `size` bytes; empty at the end."""
        while chunk := self._stream.read(size):
            if text := self._decode(chunk):
                return text.encode("utf-8", "surrogateescape")
        return self._decode(b"", final=True).encode("utf-8", "surrogateescape")
