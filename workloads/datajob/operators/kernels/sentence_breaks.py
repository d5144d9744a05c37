"""Ends of sentences by UAX #29. By its rules SB6 to SB8, a full stop does not end a sentence within decimals and addresses, or
before a lowercase letter.

In addition to the rules, the initial of a name (`J.`) and listed abbreviations do not end a sentence, and an opening quotation
mark or parenthesis directly after the end of a sentence belongs to the next one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.hashtable import contains
from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.sentence_classes import (
    CLOSE,
    CONTINUE,
    CR,
    EXTEND,
    LETTER,
    LOWER,
    NUMERIC,
    OPEN,
    OTHER,
    SPACE,
    STOP,
    TERMINAL,
    UPPER,
)
from datajob.operators.kernels.types import SENTENCES, TABLE, TEXT, boolean, i64, read, u64, write
from datajob.operators.kernels.unicode import SPACE as WHITE
from datajob.operators.kernels.utf8 import decode

LONGEST_ABBREVIATION = 24
"""Bytes."""
OFFSET_BASIS, PRIME = 0xCBF29CE484222325, 0x100000001B3
"""Constants of the 64-bit hash FNV-1a."""
LINE_FEED, CAPITAL_A, CAPITAL_Z, SMALL = 10, ord("A"), ord("Z"), 32


@inline
def _skip(data: Any, at: int, stop: int, table: Any, kind: int) -> int:
    """The next character from `at` on that is not of this kind, ignoring characters that extend others."""
    while at < stop:
        point, size = decode(data, at, stop)
        found = table[point]
        if found != kind and found != EXTEND:
            break
        at += size
    return at


@inline
def _class_at(data: Any, at: int, stop: int, table: Any) -> int:
    if at >= stop:
        return OTHER
    point, _ = decode(data, at, stop)
    return int(table[point])


@inline
def _skip_closing(data: Any, at: int, stop: int, table: Any, tailored: bool) -> int:
    """The position after the quotation marks and brackets that begin at `at`; if `tailored`, without opening ones.

    An opening mark of one language closes a quotation in another, such as `“` in German. It is an opening mark if a letter
    or digit follows.
    """
    while at < stop:
        point, size = decode(data, at, stop)
        kind = table[point]
        if kind != CLOSE and kind != OPEN and kind != EXTEND:
            break
        if tailored and kind == OPEN:
            following = _class_at(data, _skip(data, at + size, stop, table, OPEN), stop, table)
            if LOWER <= following <= NUMERIC:
                break
        at += size
    return at


@inline
def _small_letter_follows(data: Any, at: int, stop: int, table: Any) -> bool:
    """SB8: the next letter is lowercase, without the end of a sentence or paragraph before it."""
    while at < stop:
        point, size = decode(data, at, stop)
        kind = table[point]
        if kind == LOWER:
            return True
        if kind in (UPPER, LETTER) or kind >= STOP:
            return False
        at += size
    return False


@inline
def _is_listed(data: Any, start: int, stop: int, listed: Any) -> bool:
    if start >= stop or stop - start > LONGEST_ABBREVIATION:
        return False
    key = np.uint64(OFFSET_BASIS)
    for at in range(start, stop):
        byte = data[at]
        if CAPITAL_A <= byte <= CAPITAL_Z:
            byte += SMALL
        key = (key ^ np.uint64(byte)) * np.uint64(PRIME)
    return bool(contains(listed, key))


@inline
def _paragraph_end(data: Any, at: int, stop: int, kind: int, size: int) -> int:
    """The position after the separator at `at`; CR LF is a single separator."""
    at += size
    return at + 1 if kind == CR and at < stop and data[at] == LINE_FEED else at


@inline
def _class_before(data: Any, start: int, at: int, table: Any) -> tuple[int, int]:
    """The class and the position of the last character before `at` that does not extend another; OTHER if there is none."""
    while at > start:
        stop = at
        at -= 1
        while at > start and (data[at] & 0xC0) == 0x80:
            at -= 1
        point, _ = decode(data, at, stop)
        if table[point] != EXTEND:
            return int(table[point]), at
    return OTHER, start


@inline
def _is_initial(data: Any, start: int, mark: int, table: Any) -> bool:
    """Whether a single capital letter precedes the full stop at `mark`."""
    last, at = _class_before(data, start, mark, table)
    earlier, _ = _class_before(data, start, at, table)
    return last == UPPER and not LOWER <= earlier <= NUMERIC


@inline
def _word_before(data: Any, start: int, mark: int, table: Any) -> int:
    """The start of the word before `mark`, including full stops; at most the length of an abbreviation before `mark`."""
    at = mark
    while at > start and mark - at <= LONGEST_ABBREVIATION:
        kind, before = _class_before(data, start, at, table)
        if kind in (SPACE, CONTINUE, CLOSE, OPEN, OTHER):
            break
        at = before
    return at


@inline
def next_sentence(data: Any, start: int, stop: int, table: Any, tailored: bool, listed: Any) -> int:
    """The end of the sentence that begins at `start`, including the spaces after it; `stop` if nothing ends it before."""
    at = start
    while at < stop:
        point, size = decode(data, at, stop)
        kind = int(table[point])
        if kind < STOP:
            at += size
            continue
        if kind >= CR:
            return _paragraph_end(data, at, stop, kind, size)
        mark = at
        at = _skip(data, at + size, stop, table, EXTEND)
        if kind == STOP:
            following = _class_at(data, at, stop, table)
            if following == NUMERIC:
                continue
            if following == UPPER:
                last, _ = _class_before(data, start, mark, table)
                if last in (UPPER, LOWER):
                    continue
        at = _skip_closing(data, at, stop, table, tailored)
        at = _skip(data, at, stop, table, SPACE)
        if at >= stop:
            return stop
        point, size = decode(data, at, stop)
        following = int(table[point])
        if following >= CR:
            return _paragraph_end(data, at, stop, following, size)
        if following in (CONTINUE, STOP, TERMINAL):
            continue
        if kind == STOP and (
            _small_letter_follows(data, at, stop, table)
            or (tailored and _is_initial(data, start, mark, table))
            or (listed.size > 0 and _is_listed(data, _word_before(data, start, mark, table), mark, listed))
        ):
            continue
        return at
    return stop


@inline
def count_unicode_sentences(data: Any, start: int, stop: int, table: Any, listed: Any, enough: int) -> int:
    """The number of sentences in `data[start:stop]`, from 1 to `enough`."""
    count = 0
    while count < enough and start < stop:
        start = next_sentence(data, start, stop, table, True, listed)
        count += 1
    return max(count, 1)


@inline
def _trimmed(data: Any, start: int, stop: int, spaces: Any) -> tuple[int, int]:
    """The piece without the whitespace around it."""
    while start < stop:
        point, size = decode(data, start, stop)
        if not spaces[point] & WHITE:
            break
        start += size
    while stop > start:
        at = stop - 1
        while at > start and (data[at] & 0xC0) == 0x80:
            at -= 1
        point, _ = decode(data, at, stop)
        if not spaces[point] & WHITE:
            break
        stop = at
    return start, stop


@kernel(i64(TEXT, TABLE, SENTENCES, boolean, boolean, read(u64), write(i64), write(i64), write(i64)))
def split_sentences(
    text: Any, spaces: Any, table: Any, trim: bool, tailored: bool, listed: Any, rows: Any, starts: Any, stops: Any
) -> int:
    """Write sentences `rows[i]:rows[i + 1]` of row i as bytes of the column; returns their number.

    With `trim`, surrounding whitespace and sentences that consist of whitespace are omitted.
    """
    found = 0
    for row in range(text.offsets.size - 1):
        rows[row] = found
        at, end = text.offsets[row], text.offsets[row + 1]
        while at < end and text.alive[row]:
            first, at = at, next_sentence(text.data, at, end, table, tailored, listed)
            last = at
            if trim:
                first, last = _trimmed(text.data, first, at, spaces)
            if first < last:
                starts[found], stops[found] = first, last
                found += 1
    rows[text.offsets.size - 1] = found
    return found
