"""The Gopher repetition rules (arXiv:2112.11446, table A1) in the order of datatrove, on words and line breaks."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.hashtable import capacity_for, find_or_add
from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.sequences import (
    SCRATCH,
    duplicate_characters,
    every_word,
    find_repeats,
    most_top_characters,
    repeated_only,
    top_characters,
)
from datajob.operators.kernels.types import CODES, TEXT, WORDS, f64, i64, read, void
from datajob.operators.kernels.utf8 import count_points, hash_bytes

NEWLINE = 10
FIRST_TOP, EMPTY, DUP_PARAGRAPHS, DUP_PARAGRAPH_CHARS, DUP_LINES, DUP_LINE_CHARS = 6, 1, 2, 3, 4, 5


@inline
def duplicate_parts(text: Any, words: Any, row: int, low: int, high: int, newlines: int, keys: Any) -> tuple[int, int, int]:
    """The numbers of parts between runs of newlines, of repeated parts, and of their characters."""
    data, base = text.data, text.offsets[row]
    at, stop = words.break_rows[row], words.break_rows[row + 1]
    capacity = capacity_for(stop - at + 1)
    keys[:capacity] = 0
    parts = repeated = characters = 0
    start = low
    while True:
        end, following = high, high
        while at < stop:
            place = base + words.breaks[at]
            at += 1
            if place < low or place >= high or data[place] != NEWLINE:
                continue
            run = 1
            while at < stop and base + words.breaks[at] == place + run and data[place + run] == NEWLINE and place + run < high:
                run += 1
                at += 1
            if run >= newlines:
                end, following = place, place + run
                break
        parts += 1
        _, new = find_or_add(keys, capacity, hash_bytes(data, start, end - start))
        if not new:
            repeated += 1
            characters += count_points(data, start, end - start)
        if end == high:
            return parts, repeated, characters
        start = following


@inline
def trimmed(text: Any, words: Any, row: int) -> tuple[int, int]:
    """The start of the first word and the end of the last word of the row."""
    base, first, last = text.offsets[row], words.rows[row], words.rows[row + 1]
    if first == last:
        return base, base
    return base + words.starts[first], base + words.starts[last - 1] + words.sizes[last - 1]


@inline
def _repeated_lines(text: Any, words: Any, row: int, limits: Any, keys: Any) -> int:
    base, end = text.offsets[row], text.offsets[row + 1]
    if base == end:
        return EMPTY
    points = words.counts[row, 0]
    low, high = trimmed(text, words, row)
    parts, repeated, characters = duplicate_parts(text, words, row, low, high, 2, keys)
    if repeated / parts > limits[0]:
        return DUP_PARAGRAPHS
    if characters / points > limits[1]:
        return DUP_PARAGRAPH_CHARS
    parts, repeated, characters = duplicate_parts(text, words, row, base, end, 1, keys)
    if repeated / parts > limits[2]:
        return DUP_LINES
    if characters / points > limits[3]:
        return DUP_LINE_CHARS
    return 0


@inline
def _top_sequences(words: Any, row: int, sizes: Any, limits: Any, scratch: Any) -> int:
    candidates = every_word(words, row, scratch)
    points = words.counts[row, 0]
    for rule in range(sizes.size):
        most, tried = most_top_characters(words, row, sizes[rule], candidates, scratch)
        if most / points > limits[rule]:
            characters, candidates = top_characters(words, row, sizes[rule], candidates, scratch)
            if characters / points > limits[rule]:
                return FIRST_TOP + rule
        else:
            candidates = repeated_only(words, row, sizes[rule], tried, scratch)
    return 0


@inline
def _duplicate_sequences(text: Any, words: Any, row: int, rules_before: int, sizes: Any, limits: Any, scratch: Any) -> int:
    if not sizes.size:
        return 0
    candidates = find_repeats(text, words, row, sizes[0], scratch)
    for rule in range(sizes.size):
        if duplicate_characters(words, row, sizes[rule], candidates, scratch) / words.counts[row, 0] > limits[rule]:
            return FIRST_TOP + rules_before + rule
    return 0


@kernel(void(TEXT, WORDS, read(f64), read(i64), read(f64), read(i64), read(f64), SCRATCH, CODES))
def gopher_repetition(
    text: Any,
    words: Any,
    limits: Any,
    top_sizes: Any,
    top_limits: Any,
    dup_sizes: Any,
    dup_limits: Any,
    scratch: Any,
    codes: Any,
) -> None:
    """The first rule that fails: 1 empty, 2-5 paragraphs and lines, then the top and the duplicate sequences in order."""
    for row in range(text.offsets.size - 1):
        if not text.alive[row]:
            continue
        code = _repeated_lines(text, words, row, limits, scratch.keys)
        if code == 0:
            code = _top_sequences(words, row, top_sizes, top_limits, scratch)
        if code == 0 and words.rows[row + 1] > words.rows[row]:
            code = _duplicate_sequences(text, words, row, top_sizes.size, dup_sizes, dup_limits, scratch)
        codes[row] = code
