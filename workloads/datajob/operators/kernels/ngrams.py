"""The ratio of the most frequent n-grams of a text."""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.hashtable import capacity_for, find_or_add
from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.types import TEXT, WORDS, f64, i32, i64, u64, void, write
from datajob.operators.kernels.utf8 import combine, hash_bytes


@inline
def _count(keys: Any, counts: Any, capacity: int, key: Any) -> Any:
    """Increment the count of `key`; returns the new count."""
    slot, new = find_or_add(keys, capacity, key)
    counts[slot] = 1 if new else counts[slot] + 1
    return np.int64(counts[slot])


@kernel(void(TEXT, i64, i64, write(u64), write(i32), write(i32), write(f64)))
def character_repetition(text: Any, size: int, most_points: int, keys: Any, counts: Any, histogram: Any, shares: Any) -> None:
    """The ratio of the `sqrt(distinct)` most frequent n-grams of `size` characters that occur more than once.

    Reads `most_points` characters of a row. `histogram[c]` counts the n-grams that occur c times; it must be zero
    and is zero afterwards.
    """
    data = text.data
    for row in range(text.offsets.size - 1):
        at, end = text.offsets[row], text.offsets[row + 1]
        if not text.alive[row] or at == end:
            continue
        capacity = capacity_for(min(end - at, most_points))
        keys[:capacity] = 0
        stop, points = at, 0
        total = distinct = most = 0
        while stop < end and points < most_points:
            stop += 1
            while stop < end and (data[stop] & 0xC0) == 0x80:
                stop += 1
            points += 1
            if points < size:
                continue
            seen = _count(keys, counts, capacity, hash_bytes(data, at, stop - at))
            histogram[seen] += 1
            histogram[seen - 1] -= seen > 1
            total, distinct, most = total + 1, distinct + (seen == 1), max(most, seen)
            at += 1
            while at < stop and (data[at] & 0xC0) == 0x80:
                at += 1
        left: Any = np.int64(np.sqrt(distinct))
        repeated = 0
        for times in range(most, 0, -1):
            taken = min(left, np.int64(histogram[times])) if times > 1 else 0
            repeated, left = repeated + taken * times, left - taken
            histogram[times] = 0
        shares[row] = repeated / max(total, 1)


@kernel(void(WORDS, i64, write(u64), write(i32), write(f64)))
def word_repetition(words: Any, size: int, keys: Any, counts: Any, shares: Any) -> None:
    """The ratio of the n-grams of `size` words that occur more than once."""
    for row in range(words.rows.size - 1):
        first, last = words.rows[row], words.rows[row + 1]
        capacity = capacity_for(last - first)
        keys[:capacity] = 0
        total = repeated = 0
        for word in range(first, last - size + 1):
            key = words.hashes[word]
            for k in range(1, size):
                key = combine(key, words.hashes[word + k])
            seen = _count(keys, counts, capacity, key)
            total += 1
            repeated += 2 if seen == 2 else seen > 2
        shares[row] = repeated / max(total, 1)
