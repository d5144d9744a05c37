"""Files that contain one JSON array of objects, read as if each object were on a separate line."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats._compression import CODECS
from datajob.formats._lines import Block, opened

if TYPE_CHECKING:
    import pyarrow as pa

_NOT_SPACE = re.compile(r"[^ \t\r\n]")


def is_array(path: str) -> bool:
    """Whether a `.json` file (or `.json.gz` and so on) begins with `[`."""
    name = path.lower()
    for ending in CODECS:
        name = name.removesuffix(ending)
    if not name.endswith(".json"):
        return False
    with opened(path) as stream:
        start: bytes = stream.read(4096)
    return start.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"["


def array_blocks(path: str, block_bytes: int) -> Iterator[Block]:
    """The elements of the array, one per line, as blocks of about `block_bytes`; `offset` is the number of the first one.

    Memory contains one block at a time. Raises InputError if the file is not JSON or is truncated.
    """
    lines: list[bytes] = []
    first = size = 0
    for number, element in enumerate(_elements(path, block_bytes)):
        line = element.replace("\n", " ").replace("\r", " ").encode("utf-8", "surrogatepass") + b"\n"
        if size and size + len(line) > block_bytes:
            yield Block(first, b"".join(lines), "element")
            lines, first, size = [], number, 0
        lines.append(line)
        size += len(line)
    if lines:
        yield Block(first, b"".join(lines), "element")


def _elements(path: str, block_bytes: int) -> Iterator[str]:
    """The text of each element."""
    scan = json.JSONDecoder().raw_decode
    with opened(path) as stream:
        text = _Text(stream, block_bytes)
        try:
            text.expect("[")
            while text.peek() != "]":
                end = text.whole(scan)
                yield text.held[text.at : end]
                text.at = end
                if text.peek() != "]":
                    text.expect(",")
            text.expect("]")
            if text.peek():
                raise ValueError("there is data after the end of the array")
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: not a JSON array of objects, or truncated: {error}.") from error


class _Text:
    """The text of a stream, in a window."""

    def __init__(self, stream: pa.NativeFile, read_bytes: int) -> None:
        self.held = ""
        self.at = 0
        self._stream, self._read_bytes = stream, read_bytes
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode

    def more(self) -> bool:
        """Discard processed text, read more; False at the end. Reads grow with the window: linear time for long elements."""
        chunk = self._stream.read(max(self._read_bytes, len(self.held) - self.at))
        self.held = self.held[self.at :] + self._decode(chunk, final=not chunk)
        self.at = 0
        return bool(chunk)

    def peek(self) -> str:
        """The next character that is not whitespace; empty at the end."""
        while not (found := _NOT_SPACE.search(self.held, self.at)):
            self.at = len(self.held)
            if not self.more():
                return ""
        self.at = found.start()
        return found[0]

    def expect(self, character: str) -> None:
        """Skip `character`. Raises ValueError for any other character."""
        if self.peek() != character:
            raise ValueError(f"expected `{character}` but found {self.held[self.at : self.at + 100]!r}")
        self.at += 1

    def whole(self, scan: Callable[[str, int], tuple[Any, int]]) -> int:
        """The end of the value that begins here. Reads until it is complete."""
        while True:
            try:
                end = scan(self.held, self.at)[1]
            except ValueError:
                if not self.more():
                    raise
            else:
                if end < len(self.held) or not self.more():
                    return end
