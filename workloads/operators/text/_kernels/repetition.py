"""The Gopher repetition rules (arXiv:2112.11446, table A1), in datatrove's order, on words and line breaks.

Only few word sequences of a text occur twice, and a longer one can only repeat where a shorter one does: all pairs of
words are counted, longer sequences only where the shorter one repeats, and duplicate sequences (compared as characters
without the white space between) are looked for only where the next 16 bytes repeat.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workloads.operators.text._kernels.hashtable import capacity_for, find_or_add
from workloads.operators.text._kernels.jit import inline, kernel
from workloads.operators.text._kernels.types import CODES, TEXT, WORDS, f64, i32, i64, read, types, u64, void, write
from workloads.operators.text._kernels.utf8 import MIX, SHIFT, combine, copy_bytes, count_points, hash_bytes, load64

NEWLINE = 10
PREFIX = 16
"""Bytes that must repeat before a sequence of words is looked up."""


class Scratch(NamedTuple):
    """Room for the longest row: `keys`, `counts` and `firsts` are a hash table, the others have a place per word."""

    keys: NDArray[np.uint64]
    counts: NDArray[np.int32]
    firsts: NDArray[np.int32]
    places: NDArray[np.int32]
    slots: NDArray[np.int32]
    ends: NDArray[np.int64]
    joined: NDArray[np.uint8]


SCRATCH = types.NamedTuple(tuple(write(kind) for kind in (u64, i32, i32, i32, i32, i64, types.uint8)), Scratch)


def scratch_for(words: int, parts: int, size: int) -> Scratch:
    """Scratch for rows of at most so many words, lines or paragraphs, and bytes."""
    capacity = 1 << max(2 * max(words, parts) - 1, 7).bit_length()
    table = (np.empty(capacity, np.uint64), np.empty(capacity, np.int32), np.empty(capacity, np.int32))
    places = (np.empty(words, np.int32), np.empty(words, np.int32), np.empty(words + 1, np.int64))
    return Scratch(*table, *places, np.empty(size + 16, np.uint8))


FIRST_TOP, EMPTY, DUP_PARAGRAPHS, DUP_PARAGRAPH_CHARS, DUP_LINES, DUP_LINE_CHARS = 6, 1, 2, 3, 4, 5


@inline
def duplicate_parts(text: Any, words: Any, row: int, low: int, high: int, newlines: int, keys: Any) -> tuple[int, int, int]:
    """Parts between runs of at least so many newlines: how many, how many repeat an earlier one, characters of these."""
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
    """Where the row's first word begins and its last one ends."""
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
def every_word(words: Any, row: int, scratch: Any) -> int:
    """All words are candidates for `top_characters`; returns how many."""
    total: int = words.rows[row + 1] - words.rows[row]
    for i in range(total):
        scratch.places[i] = i
    return total


@inline
def top_characters(words: Any, row: int, size: int, candidates: int, scratch: Any) -> tuple[int, int]:
    """Characters of the most frequent sequence of `size` words times how often it occurs, and how many candidates are
    left: words at which a sequence begins that occurs twice (`scratch.places`). Sizes must ascend."""
    keys, counts, firsts, places, slots = scratch.keys, scratch.counts, scratch.firsts, scratch.places, scratch.slots
    first, last = words.rows[row], words.rows[row + 1]
    if last - first < size:
        return 0, candidates
    capacity = capacity_for(candidates)
    keys[:capacity] = 0
    top_count, top_place = 1, 0
    kept = 0
    for i in range(candidates):
        place = np.int64(places[i])
        if first + place + size > last:
            break
        key = words.hashes[first + place]
        for k in range(1, size):
            key = combine(key, words.hashes[first + place + k])
        slot, new = find_or_add(keys, capacity, key)
        places[kept], slots[kept] = place, slot
        kept += 1
        if new:
            counts[slot], firsts[slot] = 1, place
            continue
        counts[slot] += 1
        if counts[slot] > top_count or (counts[slot] == top_count and firsts[slot] < top_place):
            top_count, top_place = counts[slot], firsts[slot]
    length = size - 1
    for k in range(size):
        length += words.points[first + top_place + k]
    left = 0
    for i in range(kept):
        if counts[slots[i]] > 1:
            places[left] = places[i]
            left += 1
    return length * top_count, left


@inline
def _top_sequences(words: Any, row: int, sizes: Any, limits: Any, scratch: Any) -> int:
    candidates = every_word(words, row, scratch)
    for rule in range(sizes.size):
        characters, candidates = top_characters(words, row, sizes[rule], candidates, scratch)
        if characters / words.counts[row, 0] > limits[rule]:
            return FIRST_TOP + rule
    return 0


@inline
def _join(text: Any, words: Any, row: int, joined: Any, ends: Any) -> None:
    """The row's words without the white space between; word i is `joined[ends[i]:ends[i + 1]]`."""
    data, base = text.data, text.offsets[row]
    first, last = words.rows[row], words.rows[row + 1]
    out = 0
    for word in range(first, last):
        ends[word - first] = out
        start = base + words.starts[word]
        copy_bytes(data, start, words.sizes[word], joined, out)
        out += words.sizes[word]
    ends[last - first] = out


@inline
def _mark_repeated_prefixes(total: int, joined: Any, ends: Any, keys: Any, counts: Any, marks: Any) -> int:
    """Set `marks[i]` to 1 where the PREFIX bytes from word i also follow another word; returns how many."""
    capacity = capacity_for(total)
    keys[:capacity] = 0
    for i in range(total):
        marks[i] = -1
        if ends[total] - ends[i] < PREFIX:
            continue
        h = (load64(joined, ends[i]) * MIX) ^ load64(joined, ends[i] + 8)
        slot, new = find_or_add(keys, capacity, (h ^ (h >> SHIFT)) * MIX)
        counts[slot] = 1 if new else 2
        marks[i] = slot
    marked = 0
    for i in range(total):
        marks[i] = marks[i] >= 0 and counts[marks[i]] == 2
        marked += marks[i]
    return marked


@inline
def find_repeats(text: Any, words: Any, row: int, scratch: Any) -> int:
    """What `duplicate_characters` needs of the row; returns at how many words something begins that repeats."""
    total = words.rows[row + 1] - words.rows[row]
    _join(text, words, row, scratch.joined, scratch.ends)
    return _mark_repeated_prefixes(total, scratch.joined, scratch.ends, scratch.keys, scratch.counts, scratch.slots)


@inline
def duplicate_characters(words: Any, row: int, size: int, candidates: int, scratch: Any) -> int:
    """Characters in sequences of `size` words that occurred before."""
    keys, slots, joined, ends = scratch.keys, scratch.slots, scratch.joined, scratch.ends
    first, total = words.rows[row], words.rows[row + 1] - words.rows[row]
    looked_up = candidates
    for i in range(total - size + 1):
        looked_up += ends[i + size] - ends[i] < PREFIX
    capacity = capacity_for(min(looked_up, total))
    keys[:capacity] = 0
    characters = i = 0
    while i < total - size + 1:
        length = ends[i + size] - ends[i]
        if slots[i] or length < PREFIX:
            _, new = find_or_add(keys, capacity, hash_bytes(joined, ends[i], length))
            if not new:
                for k in range(i, i + size):
                    characters += words.points[first + k]
                i += size
                continue
        i += 1
    return characters


@inline
def _duplicate_sequences(text: Any, words: Any, row: int, rules_before: int, sizes: Any, limits: Any, scratch: Any) -> int:
    candidates = find_repeats(text, words, row, scratch)
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
