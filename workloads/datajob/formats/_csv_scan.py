"""Find the ends of CSV records, and lines with a quote that is never closed.

NumPy checks blocks without irregular quotes as a whole. Only the others are scanned quote by quote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from datajob.formats._csv_records import Dialect, Edit, Records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST_RECORD = 256 << 20
"""A longer record is a bad record."""
UNCLOSED = "a quote is opened but not closed correctly"
AFTER_QUOTE = "text follows the closing quote of a value"
ESCAPE = '; set `escape: "\\\\"` if the file escapes quotes with a backslash, as Spark does'


def scan(data: bytes, dialect: Dialect, newline: bytes, final: bool) -> tuple[Records, bytes]:
    """The whole records at the start of `data`, and the rest. `final` means that nothing follows."""
    import numpy as np

    if dialect.comment is None and len(data) <= LARGEST_RECORD and not (dialect.quote and dialect.quote.encode() in data):
        cut = len(data) if final else data.rfind(newline) + 1
        return Records(data[:cut]), data[cut:]
    codes = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(codes == ord(dialect.quote)) if dialect.quote else np.zeros(0, np.int64)
    openings = _openings(data, codes, quotes, dialect)
    plain = dialect.comment is None and openings == []
    if plain or dialect.simple:
        if plain:
            cut = len(data) if final else data.rfind(newline) + 1
        else:
            cut = _regular_cut(data, codes, quotes, dialect, newline, final)
        if cut or (plain and len(data) <= LARGEST_RECORD):
            return Records(data[:cut]), data[cut:]
    return _Scan(data, openings, dialect, newline, final).run()


def _regular_cut(
    data: bytes, codes: NDArray[np.uint8], quotes: NDArray[np.int64], dialect: Dialect, newline: bytes, final: bool
) -> int:
    """The end of the last whole record if all quotes before it conform to RFC 4180, otherwise 0."""
    import numpy as np

    cut = len(data) if final else data.rfind(newline) + 1
    count = int(np.searchsorted(quotes, cut))
    while cut and count % 2 and not final:
        cut = data.rfind(newline, 0, int(quotes[count - 1])) + 1
        count = int(np.searchsorted(quotes, cut))
    if not cut or count % 2:
        return 0
    return cut if _regular(codes, quotes[:count], dialect) else 0


def _regular(codes: NDArray[np.uint8], quotes: NDArray[np.int64], dialect: Dialect) -> bool:
    """Whether quotes open at the start of a value, close at its end, or are doubled."""
    import numpy as np

    opens, closes = quotes[::2], quotes[1::2]
    if not len(opens):
        return True
    edge = _edges(dialect)
    doubled = closes[:-1] + 1 == opens[1:]
    starts = edge[codes[np.maximum(opens - 1, 0)]]
    starts[0] |= opens[0] == 0
    ends = edge[codes[np.minimum(closes + 1, len(codes) - 1)]]
    ends[-1] |= closes[-1] == len(codes) - 1
    starts[1:] |= doubled
    ends[:-1] |= doubled
    if not (starts.all() and ends.all()):
        return False
    if dialect.multiline:
        return True
    lines = np.flatnonzero(codes == ord("\n"))
    return bool((np.searchsorted(lines, opens) == np.searchsorted(lines, closes)).all())


class _Scan:
    """A scan of a block, quote by quote."""

    def __init__(self, data: bytes, openings: Iterable[int], dialect: Dialect, newline: bytes, final: bool) -> None:
        self._data, self._dialect, self._newline, self._final = data, dialect, newline, final
        self._edits: list[Edit] = []
        self._quoted: list[tuple[int, int]] = []
        self._at = 0  # after the last complete value or line
        self._record = 0  # start of the record at `_at`
        self._openings = iter(openings)
        self._opening = next(self._openings, -1)
        self._comment_at = self._next_comment(0)

    def run(self) -> tuple[Records, bytes]:
        """The result of `scan`."""
        closing, after = _patterns(self._dialect)
        cut = -1
        while cut < 0 and (start := self._next()) >= 0:
            self._settle(start)
            if start == self._comment_at:
                cut = self._comment(start)
                continue
            closed = closing.match(self._data, start + 1)
            end = closed.end() if closed else -1
            certain = self._final or len(self._data) - self._record > LARGEST_RECORD
            if not certain and (end < 0 or end == len(self._data)):
                cut = self._record
            elif end < 0 or (self._spans_lines(start, end) and not (self._dialect.multiline and after.match(self._data, end))):
                self._bad_line(start, UNCLOSED)
            elif not after.match(self._data, end):
                self._bad_line(start, AFTER_QUOTE)
            else:
                self._quoted.append((start, end))
                self._at = end
        if cut < 0:
            self._settle(len(self._data))
            cut = len(self._data) if self._final else self._record
        records = Records(self._data[:cut], [e for e in self._edits if e.end <= cut], self._quoted)
        return records, self._data[cut:]

    def _next(self) -> int:
        """The start of the next quoted value or comment, or -1."""
        while 0 <= self._opening < self._at:
            self._opening = next(self._openings, -1)
        if 0 <= self._comment_at < self._at:
            self._comment_at = self._next_comment(self._at)
        found = [at for at in (self._opening, self._comment_at) if at >= 0]
        return min(found, default=-1)

    def _next_comment(self, at: int) -> int:
        if self._dialect.comment is None:
            return -1
        comment = self._dialect.comment.encode()
        if at == self._record and self._data.startswith(comment, at):
            return at
        found = self._data.find(self._newline + comment, max(0, at - 1))
        return found + 1 if found >= 0 else -1

    def _settle(self, at: int) -> None:
        """Everything before `at` is outside quotes."""
        line = self._data.rfind(self._newline, self._at, at)
        if line >= 0:
            self._record = line + 1

    def _line_end(self, at: int) -> int:
        return self._data.find(self._newline, at) + 1 or len(self._data)

    def _comment(self, at: int) -> int:
        """Omit a comment. Returns where to cut if it is incomplete, otherwise -1."""
        end = self._line_end(at)
        if end == len(self._data) and not self._final and not self._data.endswith(self._newline):
            return at
        self._edits.append(Edit(at, end, None))
        self._at = self._record = end
        return -1

    def _bad_line(self, opened: int, reason: str) -> None:
        end = self._line_end(opened)
        if self._dialect.escape is None and self._data.find(b'\\"', opened, end) >= 0:
            reason += ESCAPE
        self._edits.append(Edit(self._record, end, reason))
        self._at = self._record = end

    def _spans_lines(self, start: int, end: int) -> bool:
        return self._data.find(b"\n", start, end) >= 0 or self._data.find(b"\r", start, end) >= 0


def _openings(data: bytes, codes: NDArray[np.uint8], quotes: NDArray[np.int64], dialect: Dialect) -> Iterable[int]:
    """Positions of the quotes at the start of a value (some of them within another value)."""
    import numpy as np

    if not dialect.simple:
        return (at for at in quotes.tolist() if _starts_value(data, at, dialect)) if len(quotes) else []
    first: list[int] = quotes[(quotes == 0) | _edges(dialect)[codes[np.maximum(quotes - 1, 0)]]].tolist()
    return first


def _starts_value(data: bytes, at: int, dialect: Dialect) -> bool:
    while dialect.skip_blanks and at and data[at - 1] in b" \t":
        at -= 1
    return at == 0 or data[at - 1] in b"\r\n" or data.endswith(dialect.delimiter.encode(), 0, at)


def _edges(dialect: Dialect) -> NDArray[np.bool_]:
    """For each byte, whether it ends a value."""
    import numpy as np

    edges = np.zeros(256, bool)
    edges[[ord(dialect.delimiter), ord("\n"), ord("\r")]] = True
    return edges


@cache
def _patterns(dialect: Dialect) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """The expression for the end of a quoted value after its first quote, and what may follow it."""
    delimiter, quote = re.escape(dialect.delimiter.encode()), re.escape(dialect.quote.encode())
    escape = re.escape(dialect.escape.encode()) if dialect.escape else b""
    inside = rb"(?:[^%s%s]|%s.)*+" % (quote, escape, escape) if escape else rb"[^%s]*+(?:%s%s[^%s]*+)*+" % ((quote,) * 4)
    closing = re.compile(inside + quote, re.DOTALL) if dialect.quote else re.compile(b"")
    return closing, re.compile(rb"[ \t]*(?:%s|[\r\n]|\Z)" % delimiter)
