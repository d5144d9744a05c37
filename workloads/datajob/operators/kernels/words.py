"""The pass over a text column that all word rules share: words, line breaks, symbol counts.

The numbers of words and breaks are unknown before: the output arrays have the maximum length (untouched memory costs
nothing), and the caller truncates them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.arrays import UNIT
from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.types import NEW_WORDS, TABLE, TEXT, i64, read, types, u64, void, write
from datajob.operators.kernels.unicode import (
    ALPHA,
    BREAK,
    CONNECTOR,
    EXTENDER,
    IDEOGRAPH,
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
    WORD_CLASS,
    WORD_SHIFT,
)
from datajob.operators.kernels.utf8 import ascii_run, decode, hash_bytes, peek

HASH_MARK, DOT, ELLIPSIS = ord("#"), ord("."), 0x2026


@inline
def _character(data: Any, at: int, end: int) -> Any:
    """The code point at `at` and its size; a space of size 0 at the end."""
    if at >= end:
        return 32, 0
    point = np.int64(peek(data, at))
    if point < 0x80:
        return point, 1
    return decode(data, at, end)


@inline
def _add_word(words: Any, data: Any, word: int, base: int, at: int, stop: int, length: int, seen: int, unit: int) -> None:
    words.starts[word], words.sizes[word], words.points[word] = at - base, stop - at, length
    words.flags[word] = seen & (ALPHA | MATTER) | unit
    words.hashes[word] = hash_bytes(data, at, stop - at)


@kernel(types.UniTuple(i64, 2)(TEXT, TABLE, NEW_WORDS))
def split_whitespace(text: Any, table: Any, words: Any) -> tuple[int, int]:
    """Words as in `str.split`, line breaks as in `str.splitlines`. Returns the numbers of words and of breaks."""
    data = text.data
    word = line = 0
    for row in range(text.offsets.size - 1):
        words.rows[row], words.break_rows[row] = word, line
        base, end = text.offsets[row], text.offsets[row + 1]
        at = base if text.alive[row] else end
        characters = number_signs = ellipses = 0
        while at < end:
            point, size = _character(data, at, end)
            kind = peek(table, point)
            if kind & SPACE:
                if kind & BREAK:
                    words.breaks[line] = at - base
                    line += 1
                at += size
                characters += 1
                continue
            first, length, seen = at, 0, 0
            while not kind & SPACE:
                if point >= 0x80:
                    ellipses += point == ELLIPSIS
                elif point == HASH_MARK:
                    number_signs += 1
                elif kind & MATTER:
                    run, letters = ascii_run(data, at, end, True)
                    if run > 0:
                        seen |= ALPHA | MATTER if letters else MATTER
                        at += run
                        length += run
                        point, size = _character(data, at, end)
                        kind = peek(table, point)
                        continue
                elif point == DOT:
                    dots = 1
                    while at + 1 < end and peek(data, at + 1) == DOT:
                        at += 1
                        dots += 1
                    ellipses += dots // 3
                    length += dots - 1
                seen |= kind
                at += size
                length += 1
                point, size = _character(data, at, end)
                kind = peek(table, point)
            _add_word(words, data, word, base, first, at, length, seen, UNIT)
            word += 1
            characters += length
        words.counts[row, 0], words.counts[row, 1], words.counts[row, 2] = characters, number_signs, ellipses
    words.rows[text.offsets.size - 1], words.break_rows[text.offsets.size - 1] = word, line
    return word, line


@kernel(void(read(types.uint8), read(i64), write(u64)))
def hash_rows(data: Any, offsets: Any, hashes: Any) -> None:
    """The hash of each row as a single word."""
    for row in range(offsets.size - 1):
        hashes[row] = hash_bytes(data, offsets[row], offsets[row + 1] - offsets[row])


@inline
def _is_next(data: Any, at: int, end: int, table: Any, wanted: int) -> Any:
    """Whether the next character that is not an extender is of class `wanted`."""
    while at < end:
        point, size = decode(data, at, end)
        kind = table[point] >> WORD_SHIFT & WORD_CLASS
        if kind not in (EXTENDER, JOINER):
            return kind == wanted
        at += size
    return False


@inline
def _belongs(before: int, kind: int) -> Any:
    """Whether a character of class `kind` continues a word that ends in class `before` (WB5, WB8-10, WB13)."""
    if kind in (LETTER, NUMBER):
        return before in (LETTER, NUMBER, CONNECTOR)
    if kind == KATAKANA:
        return before in (KATAKANA, CONNECTOR)
    return kind == CONNECTOR


@inline
def _continues(data: Any, at: int, end: int, table: Any, before: int, last: int, kind: int) -> Any:
    """Whether the character of class `kind` that ends at `at` belongs to a word that is not a run of marks.

    `before` is the class of the last character of the word that is not an extender, `last` that of its last character.
    """
    if before in (LETTER, NUMBER, KATAKANA, CONNECTOR):
        if _belongs(before, kind):
            return True
        if (before == LETTER and kind in (MID_LETTER, MID_BOTH)) or (before == NUMBER and kind in (MID_NUMBER, MID_BOTH)):
            return _is_next(data, at, end, table, before)
        return False
    if before == SYLLABLE:
        return kind == SYLLABLE and last == STACKER
    if before == LEADING_VOWEL:
        return kind == SYLLABLE
    return before == PICTURE and kind == PICTURE and last == JOINER


@inline
def _end_of_word(data: Any, at: int, end: int, table: Any, point: Any, size: Any, flags: Any) -> Any:
    """The end of the word that begins with `point` at `at`, its length in characters, its flags, and the next character."""
    begun, length, seen = point, 0, 0
    before: Any = np.int64(flags >> WORD_SHIFT & WORD_CLASS)
    last: Any = before
    is_mark = before in (OTHER, MID_LETTER, MID_NUMBER, MID_BOTH)
    while True:
        seen |= flags
        at += size
        length += 1
        if before == LETTER:
            run, letters = ascii_run(data, at, end, False)
            seen |= ALPHA | MATTER if letters else 0
            at += run
            length += run
        point, size = _character(data, at, end)
        flags = peek(table, point)
        kind: Any = np.int64(flags >> WORD_SHIFT & WORD_CLASS)
        if kind == before == LETTER:
            continue
        if flags & SPACE:
            break
        if kind in (EXTENDER, JOINER, STACKER):
            last = kind
            continue
        if is_mark:
            if point != begun:
                break
        elif before == REGIONAL and kind == REGIONAL:
            before = EXTENDER
            continue
        elif not _continues(data, at + size, end, table, before, last, kind):
            break
        elif kind in (LETTER, NUMBER, KATAKANA, CONNECTOR, SYLLABLE):
            before = kind
        last = kind
    return at, length, seen, point, size, flags


@kernel(types.UniTuple(i64, 2)(TEXT, TABLE, NEW_WORDS))
def split_unicode(text: Any, table: Any, words: Any) -> tuple[int, int]:
    """Words by Unicode word boundaries, with runs of one mark as a word; breaks and counts as in `split_whitespace`."""
    data = text.data
    word = line = 0
    for row in range(text.offsets.size - 1):
        words.rows[row], words.break_rows[row] = word, line
        base, end = text.offsets[row], text.offsets[row + 1]
        at = base if text.alive[row] else end
        characters = number_signs = ellipses = 0
        point, size = _character(data, at, end)
        after_space, after_alone = True, False
        flags = peek(table, point)
        while at < end:
            if flags & SPACE:
                if flags & BREAK:
                    words.breaks[line] = at - base
                    line += 1
                at += size
                characters += 1
                point, size = _character(data, at, end)
                flags = peek(table, point)
                after_space = True
                continue
            first, begun = at, point
            kind = flags >> WORD_SHIFT & WORD_CLASS
            alone = kind in (IDEOGRAPH, SYLLABLE, LEADING_VOWEL)
            at, length, seen, point, size, flags = _end_of_word(data, at, end, table, point, size, flags)
            if begun == HASH_MARK:
                number_signs += length
            elif begun == DOT:
                ellipses += length // 3
            elif begun == ELLIPSIS:
                ellipses += length
            unit = UNIT if alone or after_space or (after_alone and seen & MATTER) else 0
            _add_word(words, data, word, base, first, at, length, seen, unit)
            after_space, after_alone = False, alone
            word += 1
            characters += length
        words.counts[row, 0], words.counts[row, 1], words.counts[row, 2] = characters, number_signs, ellipses
    words.rows[text.offsets.size - 1], words.break_rows[text.offsets.size - 1] = word, line
    return word, line
