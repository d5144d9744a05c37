"""Whole CSV records on their way to the parser, and the dialect in which they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from datajob.errors import InputError

_SPARE_DELIMITERS = b"\x1f\x1e\x1d\x1c\x01\x02\x03\x04"
"""Bytes that can stand for a delimiter of several bytes while Arrow parses."""


@dataclass(frozen=True)
class Dialect:
    """How a file is written; see the parameters of the reader."""

    delimiter: str
    quote: str
    """Empty: quotes are ordinary characters."""
    escape: str | None = None
    header: bool = True
    names: tuple[str, ...] | None = None
    nulls: tuple[str, ...] = ("",)
    encoding: str = "utf-8"
    multiline: bool = True
    comment: str | None = None
    skip_lines: int = 0
    skip_blanks: bool = False
    ragged: str = "fail"

    @property
    def simple(self) -> bool:
        """Whether Arrow reads the bytes as they are."""
        return self.escape is None and self.comment is None and not self.skip_blanks and len(self.delimiter.encode()) == 1


@dataclass(frozen=True)
class Edit:
    """A line that does not reach the parser."""

    start: int
    end: int
    reason: str | None
    """Why it is a bad record; None: it is a comment."""


@dataclass(frozen=True)
class Records:
    """Whole records, as they stand in the file (in UTF-8)."""

    data: bytes
    edits: Sequence[Edit] = ()
    quoted: Sequence[tuple[int, int]] = ()
    """Byte ranges of quoted values, where the dialect is not simple."""

    def for_arrow(self, dialect: Dialect, columns: int) -> tuple[bytes, str]:
        """What the parser reads, and its delimiter: comments are blank lines, and each bad line is a row with a value too
        many that begins with a NUL and the number of its edit."""
        delimiter = self._arrow_delimiter(dialect)
        if dialect.simple and not self.edits:
            return self.data, delimiter
        marks = [(edit.start, edit.end, i) for i, edit in enumerate(self.edits)]
        marks += [(start, end, -1) for start, end in self.quoted if not dialect.simple]
        parts: list[bytes] = []
        at = 0
        for start, end, edit in sorted(marks):
            if start < at:  # a quoted value in a line that is left out
                continue
            parts.append(_outside(self.data[at:start], dialect, delimiter))
            if edit < 0:
                parts.append(self.data[start:end])
            elif self.edits[edit].reason is None:
                parts.append(b"\n")
            else:
                parts.append(b"\x00%d%s\n" % (edit, delimiter.encode() * columns))
            at = end
        parts.append(_outside(self.data[at:], dialect, delimiter))
        return b"".join(parts), delimiter

    def _arrow_delimiter(self, dialect: Dialect) -> str:
        if len(dialect.delimiter.encode()) == 1:
            return dialect.delimiter
        spare = next((byte for byte in _SPARE_DELIMITERS if byte not in self.data), None)
        if spare is None:
            raise InputError(f"delimiter {dialect.delimiter!r}: the file holds too many different control characters.")
        return chr(spare)


def _outside(data: bytes, dialect: Dialect, delimiter: str) -> bytes:
    """Bytes outside of quotes, as Arrow is to read them."""
    if delimiter != dialect.delimiter:
        data = data.replace(dialect.delimiter.encode(), delimiter.encode())
    return _blanks(delimiter).sub(rb"\1", data) if dialect.skip_blanks else data


@cache
def _blanks(delimiter: str) -> re.Pattern[bytes]:
    return re.compile(rb"(%s|[\r\n]|\A)[ \t]+" % re.escape(delimiter.encode()))
