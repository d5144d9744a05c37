"""Sequences of words that occur more than once in a text.

Few sequences repeat, and a longer one can only repeat where a shorter one does. All pairs of words therefore pass a filter, an
array that is indexed by a hash and stores no keys, which can only overestimate. The remaining candidates are counted exactly.
Duplicate sequences, compared as characters without whitespace, are only searched where the next 16 bytes repeat.
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
"""Number of bytes that must repeat before a sequence of words is looked up."""
LONG = 32
"""Number of bytes that must repeat before a longer sequence is looked up."""
FILTER = 4
"""Bytes of the filter per slot of the hash table: about 10 to 16 per word."""


class Scratch(NamedTuple):
    """Scratch for the longest row: `keys`, `counts` and `firsts` are a hash table, `seen` is the filter, the others have
    one value per word."""

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
    """Scratch for rows of at most this number of words, of lines or paragraphs, and of bytes."""
    capacity = 1 << max(2 * max(words, parts) - 1, 7).bit_length()
    table = (np.empty(capacity, np.uint64), np.empty(capacity, np.int32), np.empty(capacity, np.int32))
    places = (np.empty(words, np.int32), np.empty(words, np.int32), np.empty(words + 1, np.int64))
    return Scratch(*table, *places, np.empty(size + 16, np.uint8), np.empty(FILTER * capacity, np.uint8))


@inline
def every_word(words: Any, row: int, scratch: Any) -> int:
    """Make all words candidates for `top_characters`; returns their number."""
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
    """The number of characters of `size` words and the spaces between them."""
    length = np.int64(size - 1)
    for k in range(size):
        length += words.points[word + k]
    return length


@inline
def top_characters(words: Any, row: int, size: int, candidates: int, scratch: Any) -> tuple[int, int]:
    """The characters of the most frequent sequence of `size` words times its occurrences, and the number of remaining
    candidates (`scratch.places`): words at which a repeated sequence starts. Sizes must ascend."""
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
    """An upper bound of `top_characters`, and the number of candidates that are followed by `size` words."""
    sums, places, slots = scratch.counts, scratch.places, scratch.slots
    first, last = words.rows[row], words.rows[row + 1]
    if last - first < size:
        return 0, 0
    capacity = capacity_for(candidates)
    mask = np.uint64(capacity - 1)
    sums[:capacity] = 0
    most = _length(words, first, size)  # if no sequence repeats, the first one is the most frequent
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
    """After `most_top_characters`: keep only candidates that share their slot of the filter; returns their number."""
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
    """The words of the row without whitespace; word i is `joined[ends[i]:ends[i + 1]]`."""
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
    """A hash of PREFIX bytes from `at`."""
    h = (load64(joined, at) * MIX) ^ load64(joined, at + 8)
    return (h ^ (h >> SHIFT)) * MIX


@inline
def _filtered(total: int, size: int, scratch: Any) -> int:
    """The number of candidates: words whose next PREFIX bytes can occur twice, or whose next `size` words are shorter."""
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
    """Prepare `duplicate_characters` for sequences of at least `size` words: the words (`scratch.places`) at which a
    sequence starts that can repeat, and whether the next LONG bytes repeat (`scratch.firsts`). Returns the number of
    words. Sequences are compared by bytes instead of words: `a bc` repeats `ab c`."""
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
    """The number of characters in repeated sequences of `size` words; `size` must not be less than that of `find_repeats`."""
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
