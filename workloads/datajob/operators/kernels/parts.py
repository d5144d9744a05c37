"""Parts of a text: paragraphs and lines that contain a phrase, sentences with an end mark."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.phrases import PHRASES, find_phrases
from datajob.operators.kernels.sentences import NEWLINE, QUOTES
from datajob.operators.kernels.types import TABLE, TEXT, boolean, i8, i64, read, void, write
from datajob.operators.kernels.unicode import BRACKET, SPACE, TERMINAL
from datajob.operators.kernels.utf8 import decode

EMPTY, UNMARKED, MARKED = range(3)
LATE_QUOTES = (ord("’"), ord("»"))
"""Closing quotation marks, in addition to those after which a sentence can end."""


@inline
def _blank(data: Any, start: int, stop: int, table: Any) -> bool:
    while start < stop:
        point, size = decode(data, start, stop)
        if not table[point] & SPACE:
            return False
        start += size
    return True


@kernel(void(TEXT, TABLE, boolean, PHRASES, write(i64, 2)))
def parts_with_phrases(text: Any, table: Any, paragraphs: bool, phrases: Any, counts: Any) -> None:
    """Columns of `counts`: parts that are not blank, and those with a phrase in one of their lines. A part is a line
    (up to `\\n`), or the lines up to the next blank one."""
    data = text.data
    for row in range(text.offsets.size - 1):
        if not text.alive[row]:
            continue
        start, end = text.offsets[row], text.offsets[row + 1]
        parts = hits = 0
        inside = counted = False
        while start < end:
            stop = start
            while stop < end and data[stop] != NEWLINE:
                stop += 1
            if _blank(data, start, stop, table):
                inside = False
            else:
                if not inside or not paragraphs:
                    parts += 1
                    inside, counted = True, False
                if not counted and find_phrases(data, start, stop, phrases):
                    hits += 1
                    counted = True
            start = stop + 1
        counts[row, 0], counts[row, 1] = parts, hits


@inline
def _mark_at_end(data: Any, start: int, stop: int, table: Any) -> int:
    while stop > start:
        at = stop - 1
        while at > start and (data[at] & 0xC0) == 0x80:
            at -= 1
        point, _ = decode(data, at, stop)
        if table[point] & TERMINAL:
            return MARKED
        quote = point == QUOTES[0] or point == QUOTES[1] or point == QUOTES[2]
        if not quote and point != LATE_QUOTES[0] and point != LATE_QUOTES[1] and not table[point] & (BRACKET | SPACE):
            return UNMARKED
        stop = at
    return EMPTY


@kernel(void(TEXT, TABLE, read(i64), read(i64), write(i8)))
def marks_at_ends(text: Any, table: Any, starts: Any, stops: Any, found: Any) -> None:
    """Whether each piece `data[starts[i]:stops[i]]` is MARKED at its end, quotation marks and brackets aside,
    UNMARKED, or EMPTY but for these and whitespace."""
    for i in range(starts.size):
        found[i] = _mark_at_end(text.data, starts[i], stops[i], table)
