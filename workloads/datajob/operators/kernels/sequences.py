"""Sequences of words that occur more than once in a text.

Only few do, and a longer one can only repeat where a shorter one does. So all pairs of words go through a filter: an array that
is indexed by a hash and keeps no keys, and therefore tells too much at most. What it leaves over is counted exactly. Duplicate
sequences (compared as characters without the white space between) are looked for only where the next 16 bytes repeat.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datajob.operators.kernels.hashtable import capacity_for, find_or_add
from datajob.operators.kernels.jit import inline
from datajob.operators.kernels.types import i32, i64, types, u64, write
from datajob.operators.kernels.utf8 import MIX, SHIFT, combine, copy_bytes, hash_bytes, load64

PREFIX = 16
"""Bytes that must repeat before a sequence of words is looked up."""
LONG = 32
"""Bytes that must repeat before a longer sequence is."""
FILTER = 4
"""Bytes of the filter for a slot of a hash table: some 10 to 16 for a word."""


class Scratch(NamedTuple):
    """Room for the longest row: `keys`, `counts` and `firsts` are a hash table, `seen` is a filter before one, the others
    have a place per word."""

    keys: NDArray[np.uint64]
    counts: NDArray[np.int32]
    firsts: NDArray[np.int32]
    places: NDArray[np.int32]
    slots: NDArray[np.int32]
    ends: NDArray[np.int64]
    joined: NDArray[np.uint8]
    seen: NDArray[np.uint8]


SCRATCH = types.NamedTuple(tuple(write(kind) for kind in (u64, i32, i32, i32, i32, i64, types.uint8, types.uint8)), Scratch)


def scratch_for(words: int, parts: int, size: int) -> Scratch:
    """Scratch for rows of at most so many words, lines or paragraphs, and bytes."""
    capacity = 1 << max(2 * max(words, parts) - 1, 7).bit_length()
    table = (np.empty(capacity, np.uint64), np.empty(capacity, np.int32), np.empty(capacity, np.int32))
    places = (np.empty(words, np.int32), np.empty(words, np.int32), np.empty(words + 1, np.int64))
    return Scratch(*table, *places, np.empty(size + 16, np.uint8), np.empty(FILTER * capacity, np.uint8))


@inline
def every_word(words: Any, row: int, scratch: Any) -> int:
    """All words are candidates for `top_characters`; returns how many."""
    total: int = words.rows[row + 1] - words.rows[row]
    for i in range(total):
        scratch.places[i] = i
    return total


@inline
def _key(words: Any, word: int, size: int) -> Any:
    """A hash of `size` words."""
    key = words.hashes[word]
    for k in range(1, size):
        key = combine(key, words.hashes[word + k])
    return key


@inline
def _length(words: Any, word: int, size: int) -> Any:
    """Characters of `size` words and the spaces between them."""
    length = np.int64(size - 1)
    for k in range(size):
        length += words.points[word + k]
    return length


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
        slot, new = find_or_add(keys, capacity, _key(words, first + place, size))
        places[kept], slots[kept] = place, slot
        kept += 1
        if new:
            counts[slot], firsts[slot] = 1, place
            continue
        counts[slot] += 1
        if counts[slot] > top_count or (counts[slot] == top_count and firsts[slot] < top_place):
            top_count, top_place = counts[slot], firsts[slot]
    left = 0
    for i in range(kept):
        if counts[slots[i]] > 1:
            places[left] = places[i]
            left += 1
    return _length(words, first + top_place, size) * top_count, left


@inline
def most_top_characters(words: Any, row: int, size: int, candidates: int, scratch: Any) -> tuple[int, int]:
    """What `top_characters` gives at most, and how many candidates have `size` words from them on."""
    sums, places, slots = scratch.counts, scratch.places, scratch.slots
    first, last = words.rows[row], words.rows[row + 1]
    if last - first < size:
        return 0, 0
    capacity = capacity_for(candidates)
    mask = np.uint64(capacity - 1)
    sums[:capacity] = 0
    most = _length(words, first, size)  # the first sequence is the top one where none repeats
    tried = 0
    for i in range(candidates):
        place = first + np.int64(places[i])
        if place + size > last:
            break
        slot = np.int64(_key(words, place, size) & mask)
        total = sums[slot] + _length(words, place, size)
        sums[slot], slots[i] = total, slot
        most = max(most, total)
        tried += 1
    return most, tried


@inline
def repeated_only(words: Any, row: int, size: int, tried: int, scratch: Any) -> int:
    """After `most_top_characters`: leave only candidates that share their place in the filter; returns how many."""
    sums, places, slots = scratch.counts, scratch.places, scratch.slots
    first = words.rows[row]
    left = 0
    for i in range(tried):
        place = places[i]
        places[left] = place
        left += sums[slots[i]] > _length(words, first + np.int64(place), size)
    return left


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
def _prefix(joined: Any, at: int) -> Any:
    """A hash of the PREFIX bytes from `at`."""
    h = (load64(joined, at) * MIX) ^ load64(joined, at + 8)
    return (h ^ (h >> SHIFT)) * MIX


@inline
def _filtered(total: int, size: int, scratch: Any) -> int:
    """Candidates: words from which on PREFIX bytes seem to occur twice, or the next `size` words have fewer."""
    joined, ends, seen, slots, places = scratch.joined, scratch.ends, scratch.seen, scratch.slots, scratch.places
    capacity = FILTER * capacity_for(total)
    mask = np.uint64(capacity - 1)
    seen[:capacity] = 0
    whole = 0
    while whole <= total - size and ends[total] - ends[whole] >= PREFIX:
        h = _prefix(joined, ends[whole])
        slot = np.int64((h ^ (h >> SHIFT)) & mask)
        slots[whole] = slot
        seen[slot] = (seen[slot] << 1 | 1) & 3
        whole += 1
    left = 0
    for i in range(whole):
        places[left] = i
        left += (seen[slots[i]] == 3) | (ends[i + size] - ends[i] < PREFIX)
    for i in range(whole, total - size + 1):
        places[left] = i
        left += 1
    return left


@inline
def find_repeats(text: Any, words: Any, row: int, size: int, scratch: Any) -> int:
    """What `duplicate_characters` needs of the row for sequences of `size` words and more: the words (`scratch.places`) at
    which one begins that may repeat, and whether LONG bytes from it on repeat (`scratch.firsts`). Returns how many words.
    By bytes and not by words: `a bc` repeats `ab c`."""
    keys, counts, slots, places, repeat = scratch.keys, scratch.counts, scratch.slots, scratch.places, scratch.firsts
    joined, ends = scratch.joined, scratch.ends
    total = words.rows[row + 1] - words.rows[row]
    _join(text, words, row, joined, ends)
    candidates = _filtered(total, size, scratch)
    capacity = capacity_for(candidates)
    keys[:capacity] = 0
    for c in range(candidates):
        i = np.int64(places[c])
        slots[c] = -1
        if ends[total] - ends[i] >= LONG:
            slot, new = find_or_add(keys, capacity, hash_bytes(joined, ends[i], LONG))
            counts[slot] = 1 if new else 2
            slots[c] = slot
    for c in range(candidates):
        repeat[c] = slots[c] >= 0 and counts[slots[c]] == 2
    return candidates


@inline
def duplicate_characters(words: Any, row: int, size: int, candidates: int, scratch: Any) -> int:
    """Characters in sequences of `size` words that occurred before; `size` is not below that of `find_repeats`."""
    keys, places, repeat, joined, ends = scratch.keys, scratch.places, scratch.firsts, scratch.joined, scratch.ends
    first, total = words.rows[row], words.rows[row + 1] - words.rows[row]
    capacity = capacity_for(candidates)
    keys[:capacity] = 0
    characters = following = 0
    for c in range(candidates):
        i = np.int64(places[c])
        if i + size > total:
            break
        length = ends[i + size] - ends[i]
        if i < following or (length >= LONG and not repeat[c]):
            continue
        _, new = find_or_add(keys, capacity, hash_bytes(joined, ends[i], length))
        if not new:
            for k in range(i, i + size):
                characters += words.points[first + k]
            following = i + size
    return characters
