"""Plain text, one row per line or per file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from datajob.formats._columns import conform, with_file_columns
from datajob.formats._compression import READ_ENDINGS, refuse_binary
from datajob.formats._lines import BAD_TEXT, Block, line_blocks, line_fragments, opened
from datajob.formats.base import FileReader, Fragment, InputFile, OnBadRecord

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TEXT = (1 << 31) - 1
"""Maximum size in bytes of a value of the Arrow type `string`."""


class TextReader(FileReader):
    """Text files (`.txt`, `.text`, `.md`), plain or compressed, one row per line or per file."""

    suffixes = tuple(f"{name}{ending}" for name in (".txt", ".text", ".md") for ending in READ_ENDINGS)
    mode: Literal["line", "file"] = Field(default="line", description="What a row is: a line (including empty ones) or a file.")
    column: str = Field(default="text", min_length=1, description="Name of the text column.")
    encoding: str = Field(default="utf-8", min_length=1, description="Encoding of the files, such as `gb18030`.")

    @model_validator(mode="after")
    def _known_encoding(self) -> TextReader:
        try:
            newline = "\n".encode(self.encoding)
        except LookupError:
            raise ValueError(f"unknown encoding {self.encoding!r}; try utf-8, gb18030, big5, shift_jis or latin-1") from None
        if self.mode == "line" and newline != b"\n":
            raise ValueError(f"files in {self.encoding} cannot be split into lines; use `mode: file`")
        return self

    def known_columns(self) -> tuple[str, ...]:
        """The text column and the `includePath` column, without hive partitions."""
        return (self.column, *((self.include_path,) if self.include_path else ()))

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """Byte ranges of about `target` bytes for lines, otherwise the whole file."""
        return line_fragments(file, target) if self.mode == "line" else [Fragment(file, 0, -1, file.size)]

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """One string column, hive partitions, and the `includePath` column."""
        import pyarrow as pa

        return with_file_columns(pa.schema([(self.column, pa.string())]), self, files)

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """Lines without their line breaks. Lines with invalid encoding are passed to `on_bad`."""
        import pyarrow as pa

        def bad(data: bytes, offset: int, reason: str) -> None:
            text = data[:BAD_TEXT].decode(self.encoding, "backslashreplace").strip("\r\n")
            on_bad(text, f"{fragment.file.path}:byte {offset}: {reason}")

        for texts in self._lines(fragment, batch_bytes, bad) if self.mode == "line" else self._file(fragment, bad):
            yield conform(pa.table({self.column: texts}), schema, fragment, self)

    def _lines(self, fragment: Fragment, batch_bytes: int, bad: Any) -> Iterator[pa.Array[Any]]:
        for block in line_blocks(fragment.file.path, fragment.start, fragment.end, batch_bytes):
            if block.too_long:
                bad(block.data, block.offset, "longer than 1 GiB")
            else:
                yield from self._decoded(block, bad)

    def _decoded(self, block: Block, bad: Any) -> Iterator[pa.Array[Any]]:
        """The lines of a block. A block with an invalid line is processed line by line."""
        import pyarrow as pa

        try:
            yield _cut(block.data if self._is_utf8() else block.data.decode(self.encoding).encode())
        except (pa.ArrowException, UnicodeDecodeError):
            good, offset = [], block.offset
            for line in block.data.removesuffix(b"\n").split(b"\n"):
                try:
                    good.append(line.decode(self.encoding).rstrip("\r"))
                except UnicodeDecodeError as error:
                    bad(line, offset, f"not valid {self.encoding}: {error.reason}")
                offset += len(line) + 1
            yield pa.array(good, pa.string())

    def _file(self, fragment: Fragment, bad: Any) -> Iterator[pa.Array[Any]]:
        import pyarrow as pa

        with opened(fragment.file.path) as stream:
            data = stream.read(MAX_TEXT + 1)
            refuse_binary(fragment.file.path, data[:16])
        if len(data) > MAX_TEXT:
            bad(data, 0, "larger than 2 GiB")
            return
        try:
            yield pa.array([data.decode(self.encoding).removeprefix("\ufeff")], pa.string())
        except UnicodeDecodeError as error:
            bad(data, error.start, f"not valid {self.encoding}: {error.reason}")

    def _is_utf8(self) -> bool:
        return self.encoding.lower() in ("utf-8", "utf8", "utf-8-sig")


def _cut(data: bytes) -> pa.Array[Any]:
    """The lines of `data` as strings. Raises ArrowInvalid if they are not UTF-8."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    codes = np.frombuffer(data, np.uint8)
    breaks = np.flatnonzero(codes == ord("\n"))
    ends = np.append(breaks, len(codes)) if not data.endswith(b"\n") else breaks
    offsets = np.concatenate([[0], ends - np.arange(len(ends))]).astype(np.int32)
    kept = pa.py_buffer(codes[codes != ord("\n")].tobytes())
    lines: Any = pa.Array.from_buffers(pa.binary(), len(ends), [None, pa.py_buffer(offsets.tobytes()), kept])
    texts: Any = lines.cast(pa.string())
    trimmed: pa.Array[Any] = pc.utf8_rtrim(texts, "\r") if b"\r" in data else texts
    return trimmed
