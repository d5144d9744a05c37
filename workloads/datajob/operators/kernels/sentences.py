"""Ends of sentences: after terminal marks (of all scripts) or a newline, but not after an initial such as `J.`.

The same pieces as the regular expression of datatrove's WhitespaceTokenizer,
`(?:(?:\\p{Lu}\\.)|.)+?[marks\\n]+["'”]?`, whose search without backtracking is this: go on to the first mark that
belongs to no initial; when there is none, the sentence ends with the last initial.
"""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.types import TABLE, TEXT, i64, write
from datajob.operators.kernels.unicode import SPACE, TERMINAL, UPPER
from datajob.operators.kernels.utf8 import decode

NEWLINE, DOT, QUOTES = 10, ord("."), (ord('"'), ord("'"), ord("”"))


@inline
def sentence_end(data: Any, start: int, stop: int, table: Any) -> int:
    """The end of the sentence that begins at `start`, or -1 when no sentence ends before `stop`."""
    at, initial, any_before = start, -1, False
    while at < stop:
        point, size = decode(data, at, stop)
        if any_before and (table[point] & TERMINAL or point == NEWLINE):
            break
        if point == NEWLINE:
            at += size  # a newline before the sentence begins
            continue
        if table[point] & UPPER and at + size < stop and data[at + size] == DOT:
            initial = at + size
            size += 1
        at += size
        any_before = True
    if at >= stop:
        if initial < 0:
            return -1
        at = initial
    while at < stop:
        point, size = decode(data, at, stop)
        if not (table[point] & TERMINAL or point == NEWLINE):
            return at + size if point == QUOTES[0] or point == QUOTES[1] or point == QUOTES[2] else at
        at += size
    return at


@inline
def count_sentences(data: Any, start: int, stop: int, table: Any, enough: int) -> int:
    """Sentences in `data[start:stop]`, at least 1; stops counting at `enough`."""
    count = 0
    while count < enough and start < stop:
        start = sentence_end(data, start, stop, table)
        if start < 0:
            break
        count += 1
    return max(count, 1)


@kernel(i64(TEXT, TABLE, write(i64), write(i64), write(i64)))
def split_sentences(text: Any, table: Any, rows: Any, starts: Any, stops: Any) -> int:
    """Sentences `rows[i]:rows[i + 1]` of row i as bytes of the column, without white space around them; what has no
    end is a sentence, too. Returns how many."""
    data, found = text.data, 0
    for row in range(text.offsets.size - 1):
        rows[row] = found
        at, end = text.offsets[row], text.offsets[row + 1]
        while at < end and text.alive[row]:
            stop = sentence_end(data, at, end, table)
            if stop < 0:
                stop = end
            first = last = at
            while at < stop:
                point, size = decode(data, at, stop)
                if not table[point] & SPACE:
                    last = at + size
                elif last == first:
                    first = last = at + size
                at += size
            if last > first:
                starts[found], stops[found] = first, last
                found += 1
    rows[text.offsets.size - 1] = found
    return found
