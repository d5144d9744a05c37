"""Splits texts into lines or paragraphs, and joins them without some of these."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.types import TABLE, TEXT, i64, read, types, write
from datajob.operators.kernels.unicode import SPACE
from datajob.operators.kernels.utf8 import decode

NEWLINE = 10


@inline
def _line_end(data: Any, start: int, stop: int) -> int:
    """The end of the line that begins at `start`: its newline, or `stop`."""
    while start < stop and data[start] != NEWLINE:
        start += 1
    return start


@inline
def _skip_spaces(data: Any, at: int, stop: int, table: Any) -> int:
    while at < stop:
        point, size = decode(data, at, stop)
        if not table[point] & SPACE:
            break
        at += size
    return at


@inline
def _last_visible(data: Any, start: int, stop: int, table: Any) -> int:
    """The end of the last character of `data[start:stop]` that is not whitespace, or `start`."""
    end = start
    while start < stop:
        point, size = decode(data, start, stop)
        start += size
        if not table[point] & SPACE:
            end = start
    return end


@inline
def _copy(source: Any, start: int, stop: int, target: Any, size: int) -> int:
    for i in range(start, stop):
        target[size] = source[i]
        size += 1
    return size


@kernel(i64(TEXT, TABLE, types.boolean, write(i64), write(i64), write(i64), write(i64)))
def cut(text: Any, table: Any, paragraphs: bool, rows: Any, starts: Any, firsts: Any, ends: Any) -> int:
    """The lines, or paragraphs separated by blank lines, of all rows, in order; returns their number.

    Piece i is in row `rows[i]` and begins with the line at `starts[i]`; its stripped text is
    `data[firsts[i]:ends[i]]`. Blank pieces are omitted.
    """
    data, count = text.data, 0
    for row in range(text.offsets.size - 1):
        at, stop = text.offsets[row], text.offsets[row + 1]
        inside = False
        while at < stop:
            end = _line_end(data, at, stop)
            first = _skip_spaces(data, at, end, table)
            if first == end:
                inside = False
            else:
                if not (inside and paragraphs):
                    rows[count], starts[count], firsts[count] = row, at, first
                    count += 1
                inside = True
                ends[count - 1] = _last_visible(data, first, end, table)
            at = end + 1
    return count


@kernel(i64(TEXT, read(i64), read(i64), read(i64), read(types.boolean), write(types.uint8), write(i64), write(i64)))
def without(text: Any, rows: Any, starts: Any, ends: Any, drop: Any, data: Any, offsets: Any, left: Any) -> int:
    """The texts without the pieces in `drop`, each from its start to the start of the next piece of the row.

    Whitespace at the end of a text that lost its last piece is also removed. `left[i]` is the number of remaining
    pieces of row i. Returns the number of bytes.
    """
    size = piece = 0
    for row in range(text.offsets.size - 1):
        offsets[row], left[row] = size, 0
        at, stop, end = text.offsets[row], text.offsets[row + 1], size
        lost_last = False
        while piece < rows.size and rows[piece] == row:
            if not drop[piece]:
                size = end = _copy(text.data, at, ends[piece], data, size)
                at = ends[piece]
                left[row] += 1
            else:
                size = _copy(text.data, at, starts[piece], data, size)
                following = piece + 1 < rows.size and rows[piece + 1] == row
                at = starts[piece + 1] if following else stop
            lost_last = drop[piece]
            piece += 1
        size = end if lost_last else _copy(text.data, at, stop, data, size)
    offsets[text.offsets.size - 1] = size
    return size
