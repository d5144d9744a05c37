"""The one pass over a text column that the word rules share: words, line breaks, counted symbols.

How many words and breaks there are is not known before: the arrays that get them are as long as the text could need
(memory that is never touched costs nothing) and the caller cuts them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads.operators.text._kernels.jit import inline, kernel
from workloads.operators.text._kernels.types import NEW_WORDS, TABLE, TEXT, i64, read, types, u64, void, write
from workloads.operators.text._kernels.utf8 import decode, hash_bytes
from workloads.operators.text._unicode import (
    ALPHA,
    BREAK,
    CONNECTOR,
    EXTENDER,
    JOINER,
    KATAKANA,
    LEADING_VOWEL,
    LETTER,
    MATTER,
    MID_BOTH,
    MID_LETTER,
    MID_NUMBER,
    NUMBER,
    OTHER,
    PICTURE,
    REGIONAL,
    SPACE,
    STACKER,
    SYLLABLE,
    WORD_SHIFT,
)

HASH_MARK, DOT, ELLIPSIS = ord("#"), ord("."), 0x2026


@kernel(types.UniTuple(i64, 2)(TEXT, TABLE, NEW_WORDS))
def split_whitespace(text: Any, table: Any, words: Any) -> tuple[int, int]:
    """Words as `str.split`, line breaks as `str.splitlines`. Returns the numbers of words and of breaks."""
    data = text.data
    word = line = 0
    for row in range(text.offsets.size - 1):
        words.rows[row], words.break_rows[row] = word, line
        base, end = text.offsets[row], text.offsets[row + 1]
        at = base if text.alive[row] else end
        characters = number_signs = ellipses = 0
        while at < end:
            point, size = np.int64(data[at]), 1
            if point >= 0x80:
                point, size = decode(data, at, end)
            if table[point] & SPACE:
                if table[point] & BREAK:
                    words.breaks[line] = at - base
                    line += 1
                at += size
                characters += 1
                continue
            first, length, seen = at, 0, 0
            while at < end:
                point, size = np.int64(data[at]), 1
                if point >= 0x80:
                    point, size = decode(data, at, end)
                    ellipses += point == ELLIPSIS
                kind = table[point]
                if kind & SPACE:
                    break
                if point == HASH_MARK:
                    number_signs += 1
                elif point == DOT:
                    dots = 1
                    while at + 1 < end and data[at + 1] == DOT:
                        at += 1
                        dots += 1
                    ellipses += dots // 3
                    length += dots - 1
                seen |= kind
                at += size
                length += 1
            words.starts[word], words.sizes[word], words.points[word] = first - base, at - first, length
            words.flags[word] = seen & (ALPHA | MATTER)
            words.hashes[word] = hash_bytes(data, first, at - first)
            word += 1
            characters += length
        words.counts[row, 0], words.counts[row, 1], words.counts[row, 2] = characters, number_signs, ellipses
    words.rows[text.offsets.size - 1], words.break_rows[text.offsets.size - 1] = word, line
    return word, line


@kernel(void(read(types.uint8), read(i64), write(u64)))
def hash_rows(data: Any, offsets: Any, hashes: Any) -> None:
    """The hash of each row as if it were one word."""
    for row in range(offsets.size - 1):
        hashes[row] = hash_bytes(data, offsets[row], offsets[row + 1] - offsets[row])


@inline
def _is_next(data: Any, at: int, end: int, table: Any, wanted: int) -> bool:
    """The next character that is no extender is of class `wanted`."""
    while at < end:
        point, size = decode(data, at, end)
        kind = table[point] >> WORD_SHIFT
        if kind not in (EXTENDER, JOINER):
            return kind == wanted
        at += size
    return False


@inline
def _belongs(before: int, kind: int) -> bool:
    """Whether a character of class `kind` goes on a word whose last one is of class `before` (WB5, WB8-10, WB13)."""
    if kind in (LETTER, NUMBER):
        return before in (LETTER, NUMBER, CONNECTOR)
    if kind == KATAKANA:
        return before in (KATAKANA, CONNECTOR)
    return kind == CONNECTOR


@inline
def _unicode_word(data: Any, at: int, end: int, table: Any) -> tuple[int, int, int]:
    """The end of the word that begins at `at`, its code points and the classes of its characters."""
    begun, size = decode(data, at, end)
    seen = table[begun]
    before = kind = seen >> WORD_SHIFT
    at, length, last = at + size, 1, kind
    while at < end:
        point, size = np.int64(data[at]), 1
        if point >= 0x80:
            point, size = decode(data, at, end)
        flags = table[point]
        if flags & SPACE:
            break
        kind = flags >> WORD_SHIFT
        if kind not in (EXTENDER, JOINER, STACKER):
            if before in (LETTER, NUMBER, KATAKANA, CONNECTOR):
                middle = (before == LETTER and kind in (MID_LETTER, MID_BOTH)) or (
                    before == NUMBER and kind in (MID_NUMBER, MID_BOTH)
                )
                if middle and _is_next(data, at + size, end, table, before):
                    kind = before
                elif not _belongs(before, kind):
                    break
                before = kind
            elif before == REGIONAL and kind == REGIONAL:
                before = EXTENDER
            elif before == LEADING_VOWEL and kind == SYLLABLE:
                before = SYLLABLE
            elif not (
                (before == PICTURE and kind == PICTURE and last == JOINER)
                or (before == SYLLABLE and kind == SYLLABLE and last == STACKER)
                or (before in (OTHER, MID_LETTER, MID_NUMBER, MID_BOTH) and point == begun)
            ):
                break
        last = kind
        seen |= flags
        at += size
        length += 1
    return at, length, seen


@kernel(types.UniTuple(i64, 2)(TEXT, TABLE, NEW_WORDS))
def split_unicode(text: Any, table: Any, words: Any) -> tuple[int, int]:
    """Words by Unicode's word boundaries, runs of one mark together; breaks and counts as `split_whitespace`."""
    data = text.data
    word = line = 0
    for row in range(text.offsets.size - 1):
        words.rows[row], words.break_rows[row] = word, line
        base, end = text.offsets[row], text.offsets[row + 1]
        at = base if text.alive[row] else end
        characters = number_signs = ellipses = 0
        while at < end:
            point, size = np.int64(data[at]), 1
            if point >= 0x80:
                point, size = decode(data, at, end)
            if table[point] & SPACE:
                if table[point] & BREAK:
                    words.breaks[line] = at - base
                    line += 1
                at += size
                characters += 1
                continue
            stop, length, seen = _unicode_word(data, at, end, table)
            if point == HASH_MARK:
                number_signs += length
            elif point == DOT:
                ellipses += length // 3
            elif point == ELLIPSIS:
                ellipses += length
            words.starts[word], words.sizes[word], words.points[word] = at - base, stop - at, length
            words.flags[word] = seen & (ALPHA | MATTER)
            words.hashes[word] = hash_bytes(data, at, stop - at)
            word += 1
            characters += length
            at = stop
        words.counts[row, 0], words.counts[row, 1], words.counts[row, 2] = characters, number_signs, ellipses
    words.rows[text.offsets.size - 1], words.break_rows[text.offsets.size - 1] = word, line
    return word, line
