"""Whole CSV records for the parser, and their dialect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from datajob.errors import InputError

_SPARE_DELIMITERS = b"\x1f\x1e\x1d\x1c\x01\x02\x03\x04"
"""Bytes that can replace a delimiter of several bytes while Arrow parses."""
_OF_SPARK = re.compile(r"\Apart-\d{5}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The beginning of the names of files that Spark writes."""


@dataclass(frozen=True)
class Dialect:
    """The dialect of a file; see the parameters of the reader."""

    delimiter: str
    quote: str
    """If empty, quotes are ordinary characters."""
    escape: str | None = None
    """Precedes quotes and itself within quoted values; any character if there are no quotes. None: quotes are doubled."""
    states_escape: bool = False
    """Whether the job states how quotes are escaped."""
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
        """Whether Arrow can read the bytes unchanged."""
        return self.escape is None and self.comment is None and not self.skip_blanks and len(self.delimiter.encode()) == 1

    @property
    def parsed_escape(self) -> str | None:
        """The escape character for the parser: within quoted values, `for_arrow` replaces it."""
        return None if self.quote else self.escape


@dataclass(frozen=True)
class Edit:
    """A line that is not passed to the parser."""

    start: int
    end: int
    reason: str | None
    """Why it is a bad record, or None for a comment."""


@dataclass(frozen=True)
class Records:
    """Whole records as in the file, in UTF-8."""

    data: bytes
    edits: Sequence[Edit] = ()
    quoted: Sequence[tuple[int, int]] = ()
    """Byte ranges of quoted values, if the dialect is not simple."""

    def for_arrow(self, dialect: Dialect, columns: int) -> tuple[bytes, str]:
        """The input of the parser and its delimiter. Comments are replaced by blank lines, and each bad line by a row with an
        additional value that begins with NUL and the number of its edit."""
        delimiter = self._arrow_delimiter(dialect)
        if dialect.simple and not self.edits:
            return self.data, delimiter
        marks = [(edit.start, edit.end, i) for i, edit in enumerate(self.edits)]
        marks += [(start, end, -1) for start, end in self.quoted if not dialect.simple]
        parts: list[bytes] = []
        at = 0
        for start, end, edit in sorted(marks):
            if start < at:  # a quoted value in a line that is omitted
                continue
            parts.append(_outside(self.data[at:start], dialect, delimiter))
            if edit < 0:
                parts.append(_with_doubled_quotes(self.data[start:end], dialect))
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
            raise InputError(f"delimiter {dialect.delimiter!r}: the file contains too many different control characters.")
        return chr(spare)


def _outside(data: bytes, dialect: Dialect, delimiter: str) -> bytes:
    """Bytes outside quotes, as Arrow should read them."""
    if delimiter != dialect.delimiter:
        data = data.replace(dialect.delimiter.encode(), delimiter.encode())
    return _blanks(delimiter).sub(rb"\1", data) if dialect.skip_blanks else data


def _with_doubled_quotes(value: bytes, dialect: Dialect) -> bytes:
    """A quoted value in which quotes are doubled instead of escaped."""
    if dialect.escape is None or dialect.escape.encode() not in value:
        return value
    quote, escape = dialect.quote.encode(), dialect.escape.encode()
    return _escaped(quote, escape).sub(lambda found: quote * 2 if found[1] == quote else escape, value)


@cache
def _escaped(quote: bytes, escape: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"%s([%s%s])" % (re.escape(escape), re.escape(quote), re.escape(escape)))


@cache
def _blanks(delimiter: str) -> re.Pattern[bytes]:
    return re.compile(rb"(%s|[\r\n]|\A)[ \t]+" % re.escape(delimiter.encode()))


def check_escapes(path: str, data: bytes, dialect: Dialect) -> None:
    """Raise InputError if Spark wrote the file and the job does not state how it escaped the quotes and backslashes in it."""
    if dialect.states_escape or not dialect.quote or not _OF_SPARK.search(path.rsplit("/", 1)[-1]):
        return
    if b'"' in data and (b'\\"' in data or b"\\\\" in data):
        raise InputError(
            f"{path}: Spark wrote this file, and its values contain backslashes before quotes or other backslashes. Set "
            '`escape: "\\\\"` if Spark escaped quotes with backslashes, which is its default, or `escape: \'"\'` if it doubled '
            "them."
        )
