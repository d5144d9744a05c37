"""Line-based files, split into byte ranges. A line belongs to the range in which it begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats._compression import Salvaged, codec_of, decompressed, refuse_binary
from datajob.formats.base import Fragment, InputFile
from datajob.formats.storage import readable, resolve

if TYPE_CHECKING:
    import pyarrow as pa

MAX_LINE = 1 << 30
"""Longer lines are not kept in memory and reported as bad records."""
BAD_TEXT = 64 << 10
"""Bytes of a bad record to keep."""
SMALL_READ = 64 << 10
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Whole lines of a file."""

    offset: int
    """Position of the first line in the (decompressed) content of the file."""
    data: bytes
    unit: str = "byte"
    """What `offset` counts: bytes, or elements of an array (one per line)."""
    too_long: bool = False
    """The block is the beginning of a line longer than MAX_LINE."""


def line_fragments(file: InputFile, target: int) -> list[Fragment]:
    """Equal byte ranges of about `target` bytes. A compressed file is not split."""
    if codec_of(file.path) or file.size <= target * 3 // 2:
        return [Fragment(file, 0, -1, file.size)]
    pieces = max(1, round(file.size / target))
    cuts = [file.size * i // pieces for i in range(pieces + 1)]
    return [Fragment(file, start, end, end - start) for start, end in pairwise(cuts)]


def line_bytes(file: InputFile) -> int:
    """Average bytes per line at the start of a file. Raises InputError."""
    with opened(file.path) as stream:
        head: bytes = stream.read(SMALL_READ)
    return max(1, len(head) // max(1, head.count(b"\n")))


@contextmanager
def opened(path: str, start: int = 0) -> Iterator[pa.NativeFile]:
    """The decompressed content of a file from byte `start` (0 for a compressed file).

    Raises InputError for errors of the file inside the `with` block.
    """
    with readable(path):
        filesystem, inner = resolve(path)
        with filesystem.open_input_file(inner) as file:
            if codec := codec_of(path):
                with decompressed(path, file, codec) as stream:
                    yield stream
            else:
                file.seek(start)
                yield file


@contextmanager
def opened_text(path: str, start: int = 0) -> Iterator[Any]:
    """Like `opened`, for a stream that is read to its end. For a corrupt file, it returns the content before the corrupt part.

    Raises InputError for a compressed file without the extension of its compression.
    """
    with readable(path):
        filesystem, inner = resolve(path)
        if codec := codec_of(path):
            yield Salvaged(lambda: decompressed(path, filesystem.open_input_file(inner), codec))
        else:
            with filesystem.open_input_file(inner) as file:
                file.seek(start)
                yield file if start else _Checked(path, file)


class _Checked:
    """A text stream whose first bytes are inspected."""

    def __init__(self, path: str, stream: Any) -> None:
        self._path, self._stream = path, stream
        self._first = True

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; empty at the end."""
        data: bytes = self._stream.read(size)
        if self._first:
            refuse_binary(self._path, data)
            self._first = False
        return data


def line_blocks(path: str, start: int, end: int, block_bytes: int) -> Iterator[Block]:
    """The lines that begin in bytes [`start`, `end`) of a file (`end` < 0: all from `start`), as blocks of about `block_bytes`.

    A line that would be split between blocks is in the next block. Each block ends with a newline, except for a last line
    without one. A byte order mark at the start of the file is skipped.
    """
    with opened_text(path, max(0, start - 1)) as stream:
        chunks = _chunks(stream, max(0, start - 1), end, block_bytes)
        if start == 0:
            yield from map(_without_bom, _blocks(chunks, 0, end))
        else:
            skipped, rest = _skip_line(chunks)
            yield from _blocks(chain([rest] if rest else [], chunks), start - 1 + skipped, end)


def until_damage(blocks: Iterator[Block]) -> Iterator[Block]:
    """The blocks before the damage of a file, if there are any. Raises InputError if there is none."""
    first = True
    try:
        for block in blocks:
            yield block
            first = False
    except InputError:
        if first:
            raise


def _without_bom(block: Block) -> Block:
    if block.offset or not block.data.startswith(BOM):
        return block
    return replace(block, offset=len(BOM), data=block.data[len(BOM) :])


def _chunks(stream: Any, at: int, end: int, block_bytes: int) -> Iterator[bytes]:
    """The stream from `at`, in pieces of `block_bytes`; in small ones after `end`, where only the end of a line is needed."""
    while chunk := stream.read(block_bytes if end < 0 else min(block_bytes, max(end - at, SMALL_READ))):
        at += len(chunk)
        yield chunk


def _skip_line(chunks: Iterator[bytes]) -> tuple[int, bytes]:
    """Read to the next newline. Returns the number of bytes, and the data read beyond it."""
    skipped = 0
    for chunk in chunks:
        found = chunk.find(b"\n") + 1
        if found:
            return skipped + found, chunk[found:]
        skipped += len(chunk)
    return skipped, b""


def _blocks(chunks: Iterator[bytes], offset: int, end: int) -> Iterator[Block]:
    """The lines of `chunks`, which begin with a line at byte `offset`, up to the line that contains `end`."""
    held: list[bytes] = []  # pieces of an incomplete line
    size = 0  # length of the incomplete line
    rest = b""  # rest of a chunk after a block
    while not 0 <= end <= offset and (chunk := rest or next(chunks, b"")):
        rest = b""
        cut = chunk.find(b"\n", max(0, end - 1 - offset - size)) + 1 if end >= 0 else 0
        if size > MAX_LINE or not cut:
            cut = (chunk.find(b"\n") if size > MAX_LINE else chunk.rfind(b"\n")) + 1
        if cut:
            yield _block(offset, [*held, memoryview(chunk)[:cut]], size)
            offset, held, size, rest = offset + size + cut, [], 0, chunk[cut:]
            continue
        if size <= MAX_LINE:
            held.append(chunk)
        size += len(chunk)
    if size:
        yield _block(offset, held, size)


def _block(offset: int, pieces: Sequence[bytes | memoryview], size: int) -> Block:
    if size > MAX_LINE:
        return Block(offset, bytes(pieces[0][:BAD_TEXT]), too_long=True)
    return Block(offset, b"".join(pieces))
