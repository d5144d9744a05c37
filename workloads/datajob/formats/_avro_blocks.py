"""The header and the blocks of Avro files."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from datajob.formats.storage import readable, resolve

MAGIC = b"Obj\x01"
SYNC = 16
MAX_BLOCK = 1 << 30
_TRUNCATED = "the file ends inside a block: truncated"


@dataclass(frozen=True)
class Header:
    """The header of a file."""

    schema: Any
    codec: str
    sync: bytes
    size: int
    """Bytes of the header: the position of the first block."""


@contextmanager
def opened_blocks(path: str) -> Iterator[_Blocks]:
    """A file. Raises InputError for errors of the file inside the `with` block."""
    with readable(path, "as Avro"):
        filesystem, inner = resolve(path)
        with filesystem.open_input_file(inner) as file:
            yield _Blocks(file)


class _Blocks:
    """Reads block by block. Raises OSError or EOFError for a file that is damaged."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._size = int(file.size())
        self.header = self._header()

    def positions(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The positions and the rows of the blocks that begin in bytes [`start`, `end`) (`end` < 0: all)."""
        at = max(start, self.header.size)
        while at < self._size and not 0 <= end <= at:
            self._file.seek(at)
            rows, size = self._long(), self._long()
            if rows < 0 or not 0 <= size <= MAX_BLOCK:
                raise OSError(f"the block at byte {at} is damaged: its size is invalid")
            after = int(self._file.tell()) + size + SYNC
            if after > self._size:
                raise EOFError(_TRUNCATED)
            yield at, rows
            at = after

    def block(self, position: int) -> tuple[int, bytes]:
        """The number of rows of a block, and its decompressed data."""
        self._file.seek(position)
        rows, size = self._long(), self._long()
        data = self._exactly(size)
        if self._exactly(SYNC) != self.header.sync:
            raise OSError(f"the block at byte {position} is damaged: its sync marker is missing")
        try:
            return rows, _decompressed(data, self.header.codec)
        except (zlib.error, lzma.LZMAError, ValueError, OSError, EOFError) as error:
            raise OSError(f"the block at byte {position} is damaged: Corrupt input data ({error})") from error

    def _header(self) -> Header:
        if self._file.read(len(MAGIC)) != MAGIC:
            raise OSError("it is not an Avro file: its first bytes are not `Obj` and 1")
        values: dict[str, bytes] = {}
        while count := self._long():
            if count < 0:
                self._long()  # the size in bytes
            for _ in range(abs(count)):
                key = self._exactly(self._length()).decode()
                values[key] = self._exactly(self._length())
        sync = self._exactly(SYNC)
        codec = values.get("avro.codec", b"null").decode()
        if codec not in ("null", "deflate", "snappy", "zstandard", "bzip2", "xz"):
            raise OSError(f"its codec {codec!r} is not supported")
        try:
            schema = json.loads(values["avro.schema"])
        except (KeyError, ValueError) as error:
            raise OSError(f"its schema is not valid ({error})") from error
        return Header(schema, codec, sync, int(self._file.tell()))

    def _length(self) -> int:
        size = self._long()
        if not 0 <= size <= MAX_BLOCK:
            raise OSError("its header is damaged")
        return size

    def _long(self) -> int:
        """An integer of variable length, with zigzag coding."""
        shift = value = 0
        while True:
            byte = self._exactly(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
            if shift > 63:
                raise OSError("it contains an integer that is too long, so it is damaged")

    def _exactly(self, size: int) -> bytes:
        data = bytes(self._file.read(size))
        if len(data) < size:
            raise EOFError(_TRUNCATED)
        return data


def _decompressed(data: bytes, codec: str) -> bytes:
    import pyarrow as pa

    if codec == "null":
        return data
    if codec == "deflate":
        return zlib.decompress(data, wbits=-15)
    if codec == "bzip2":
        return bz2.decompress(data)
    if codec == "xz":
        return lzma.decompress(data)
    if codec == "snappy":
        return _without_snappy(data)
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        return bytes(stream.read())


def _without_snappy(data: bytes) -> bytes:
    """The content of a block, followed by its checksum."""
    import pyarrow as pa

    size = shift = 0
    for byte in data[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if size > MAX_BLOCK:
        raise OSError("a size is invalid")
    content = bytes(pa.decompress(data[:-4], size, "snappy"))
    if zlib.crc32(content) != int.from_bytes(data[-4:], "big"):
        raise OSError("a checksum is wrong")
    return content


def decoded(data: bytes, rows: int, schema: Any) -> list[Any]:
    """The rows of a block. `schema` is that of an array of rows. Raises OSError or an error of fastavro for damaged data."""
    from fastavro import schemaless_reader

    if not rows:
        return []
    stream = io.BytesIO(_zigzag(rows) + data + b"\0")
    found: Any = schemaless_reader(stream, schema, None)
    if len(found) != rows or stream.read(1):
        raise OSError(f"a block does not contain {rows} rows, so it is damaged")
    return list(found)


def _zigzag(number: int) -> bytes:
    """A positive number as an Avro integer."""
    number <<= 1
    coded = bytearray()
    while number > 0x7F:
        coded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*coded, number])
