"""Counts sentences: by UAX #29, or as datatrove does: each ends after a terminal mark, but not after an initial such as `J.`.

The latter are the same pieces as the regular expression of datatrove's WhitespaceTokenizer,
`(?:(?:\\p{Lu}\\.)|.)+?[marks\\n]+["'”]?`, found without backtracking: a sentence ends at the first mark that
is not part of an initial, or at the last initial if there is none.
"""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.jit import inline
from datajob.operators.kernels.sentence_breaks import count_unicode_sentences
from datajob.operators.kernels.unicode import TERMINAL, UPPER
from datajob.operators.kernels.utf8 import decode

NEWLINE, DOT, QUOTES = 10, ord("."), (ord('"'), ord("'"), ord("”"))


@inline
def sentence_end(data: Any, start: int, stop: int, table: Any) -> int:
    """The end of the sentence that starts at `start`, or -1 if none ends before `stop`."""
    at, initial, any_before = start, -1, False
    while at < stop:
        point, size = decode(data, at, stop)
        if any_before and (table[point] & TERMINAL or point == NEWLINE):
            break
        if point == NEWLINE:
            at += size  # a newline before the start of the sentence
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
def count_sentences(data: Any, start: int, stop: int, table: Any, breaks: Any, listed: Any, enough: int) -> int:
    """The number of sentences in `data[start:stop]`, from 1 to `enough`; those of datatrove if `breaks` is empty."""
    if breaks.size:
        return count_unicode_sentences(data, start, stop, breaks, listed, enough)
    count = 0
    while count < enough and start < stop:
        start = sentence_end(data, start, stop, table)
        if start < 0:
            break
        count += 1
    return max(count, 1)
