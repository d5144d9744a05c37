"""N-grams of words or characters as 32-bit hashes, which near-duplicate detection compares.

A folding table maps each code point to the one that it is compared as. Words are hashed from folded characters while they
are read, and n-grams from words by a rolling polynomial. A text of fewer than n words is a single n-gram.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.types import TEXT, i64, read, types, void, write
from datajob.operators.kernels.utf8 import MIX, SHIFT, decode

SEPARATOR = 0
"""In a folding table: ends a word (so does NUL, always). Every other entry is the folded code point and, above
`KIND_SHIFT`, its kind."""
KIND_SHIFT = 24
LETTER, ALONE, MARK, IGNORED = range(4)
"""Part of a word; a separate word; part of the preceding word, if any; ignored."""
_POINT = (1 << KIND_SHIFT) - 1

FOLDING = read(types.uint32)
u32 = types.uint32


@inline
def word_hashes(data: Any, start: int, end: int, folding: Any, by_character: bool, words: Any) -> int:
    """Write the hashes of the words (or folded characters) of `data[start:end]` to `words`; returns their number."""
    count, at, last = 0, start, SEPARATOR
    h = MIX
    inside = False
    while at < end:
        point, size = np.int64(data[at]), 1
        if point >= 0x80:
            point, size = decode(data, at, end)
        at += size
        folded = np.int64(folding[point])
        kind = folded >> KIND_SHIFT
        if kind == IGNORED:
            continue
        if inside and (folded == SEPARATOR or kind == ALONE or by_character or (last == ALONE and kind == LETTER)):
            h ^= h >> SHIFT
            words[count] = h * MIX
            count += 1
            h = MIX
            inside = False
        if folded != SEPARATOR:
            h = (h ^ np.uint64(folded & _POINT)) * MIX
            if kind != MARK or not inside:
                last = kind
            inside = True
    if inside:
        h ^= h >> SHIFT
        words[count] = h * MIX
        count += 1
    return count


@inline
def shingle_hashes(words: Any, count: int, size: int, shingles: Any) -> int:
    """Write the hashes of the n-grams of `size` of the first `count` words to `shingles`; returns their number."""
    if count == 0:
        return 0
    size = min(size, count)
    h, leading = np.uint64(0), np.uint64(1)
    for i in range(size - 1):
        h = h * MIX + words[i]
        leading *= MIX
    for i in range(size - 1, count):
        h = h * MIX + words[i]
        shingles[i - size + 1] = np.uint32(((h ^ (h >> SHIFT)) * MIX) >> SHIFT)
        h -= leading * words[i - size + 1]
    return count - size + 1


@inline
def longest(offsets: Any) -> int:
    """The length of the longest row in bytes."""
    most = np.int64(0)
    for row in range(offsets.size - 1):
        most = max(most, offsets[row + 1] - offsets[row])
    return most


@inline
def sort_numbers(numbers: Any, count: int, spare: Any, starts: Any) -> None:
    """Sort the first `count` 32-bit numbers in four passes by one byte each; `spare` and `starts` (257 values) are scratch."""
    for shift in (0, 16):
        _sort_by_byte(numbers, spare, count, shift, starts)
        _sort_by_byte(spare, numbers, count, shift + 8, starts)


@inline
def _sort_by_byte(source: Any, target: Any, count: int, shift: int, starts: Any) -> None:
    for i in range(257):
        starts[i] = 0
    for i in range(count):
        starts[((np.int64(source[i]) >> shift) & 0xFF) + 1] += 1
    for i in range(256):
        starts[i + 1] += starts[i]
    for i in range(count):
        byte = (np.int64(source[i]) >> shift) & 0xFF
        target[starts[byte]] = source[i]
        starts[byte] += 1


@kernel(i64(TEXT, FOLDING, i64, types.boolean, write(i64), write(u32)), allocates=True)
def shingle_sets(text: Any, folding: Any, size: int, by_character: bool, bounds: Any, sets: Any) -> int:
    """Write the distinct n-grams of row i, ascending, to `sets[bounds[i]:bounds[i + 1]]`; returns `bounds[-1]`.

    `sets` must have one value per byte of text.
    """
    most = longest(text.offsets) + 1
    words, found, spare = np.empty(most, np.uint64), np.empty(most, np.uint32), np.empty(most, np.uint32)
    starts = np.empty(257, np.int64)
    filled = np.int64(0)
    bounds[0] = 0
    for row in range(text.offsets.size - 1):
        count = word_hashes(text.data, text.offsets[row], text.offsets[row + 1], folding, by_character, words)
        count = shingle_hashes(words, count, size, found)
        sort_numbers(found, count, spare, starts)
        for i in range(count):
            if i == 0 or found[i] != found[i - 1]:
                sets[filled] = found[i]
                filled += 1
        bounds[row + 1] = filled
    return filled


@inline
def is_similar(sets: Any, a: int, a_end: int, b: int, b_end: int, threshold: float) -> bool:
    """Whether the Jaccard similarity of two ascending sets is at least `threshold`; stops as soon as this is decided."""
    total = (a_end - a) + (b_end - b)
    needed = np.int64(np.ceil(threshold / (1.0 + threshold) * total - 1e-9))
    spare = total - 2 * needed
    while a < a_end and b < b_end and spare >= 0:
        left, right = sets[a], sets[b]
        spare -= left != right
        a += left <= right
        b += right <= left
    return spare >= (a_end - a) + (b_end - b)


@kernel(void(read(u32), read(i64), read(i64), types.float64, i64, write(i64)), allocates=True)
def first_similar(sets: Any, bounds: Any, groups: Any, threshold: float, most: int, repeats: Any) -> None:
    """For each set an earlier one of its group whose Jaccard similarity is at least `threshold`, or -1.

    Sets are ascending; group g has the sets `groups[g]:groups[g + 1]`. Sets that repeat nothing are tried before those that
    do, each kind in its order, and after `most` comparisons a set is taken to repeat nothing.
    """
    order = np.empty(repeats.size, np.int64)
    for g in range(groups.size - 1):
        first = groups[g]
        leaders, followers = first, groups[g + 1]
        for i in range(first, groups[g + 1]):
            repeats[i] = -1
            tried = 0
            for j in range(first, leaders):
                if tried == most or repeats[i] >= 0:
                    break
                tried += 1
                if is_similar(sets, bounds[order[j]], bounds[order[j] + 1], bounds[i], bounds[i + 1], threshold):
                    repeats[i] = order[j]
            for j in range(groups[g + 1] - 1, followers - 1, -1):
                if tried == most or repeats[i] >= 0:
                    break
                tried += 1
                if is_similar(sets, bounds[order[j]], bounds[order[j] + 1], bounds[i], bounds[i + 1], threshold):
                    repeats[i] = order[j]
            if repeats[i] < 0:
                order[leaders] = i
                leaders += 1
            else:
                followers -= 1
                order[followers] = i
