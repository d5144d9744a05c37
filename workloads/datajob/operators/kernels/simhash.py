"""SimHash: a 64-bit number per text that differs in few bits between similar texts (Charikar 2002)."""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.hamming import different_bits
from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.shingles import FOLDING, longest, shingle_hashes, word_hashes
from datajob.operators.kernels.types import TEXT, i64, read, types, u64, void, write
from datajob.operators.kernels.utf8 import MIX, SHIFT

BITS = 64
_HALF = 32


@inline
def _majority(shingles: Any, count: int, low: Any, high: Any) -> Any:
    """The bits that are set in the hashes of most n-grams; `low` and `high` count 32 bits each."""
    for bit in range(_HALF):
        low[bit] = high[bit] = 0
    for i in range(count):
        h = (np.uint64(shingles[i]) + MIX) * MIX
        h = (h ^ (h >> SHIFT)) * MIX
        h ^= h >> SHIFT
        first, second = np.uint32(h), np.uint32(h >> SHIFT)
        for bit in range(_HALF):
            low[bit] += (first >> np.uint32(bit)) & np.uint32(1)
            high[bit] += (second >> np.uint32(bit)) & np.uint32(1)
    found = np.uint64(0)
    for bit in range(_HALF):
        if 2 * np.int64(low[bit]) > count:
            found |= np.uint64(1) << np.uint64(bit)
        if 2 * np.int64(high[bit]) > count:
            found |= np.uint64(1) << np.uint64(bit + _HALF)
    return found


@kernel(void(TEXT, FOLDING, i64, types.boolean, write(u64), write(types.boolean)), allocates=True)
def simhashes(text: Any, folding: Any, size: int, by_character: bool, hashes: Any, any_words: Any) -> None:
    """The SimHash of the n-grams of each row; `any_words[i]` is False for a text without words."""
    most = longest(text.offsets) + 1
    words, shingles = np.empty(most, np.uint64), np.empty(most, np.uint32)
    low, high = np.empty(_HALF, np.uint32), np.empty(_HALF, np.uint32)
    for row in range(text.offsets.size - 1):
        count = word_hashes(text.data, text.offsets[row], text.offsets[row + 1], folding, by_character, words)
        any_words[row] = count > 0
        hashes[row] = _majority(shingles, shingle_hashes(words, count, size, shingles), low, high)


@kernel(void(read(u64), read(i64), i64, write(i64)))
def first_near(hashes: Any, groups: Any, distance: int, repeats: Any) -> None:
    """For each hash, the first earlier one of its group that differs in at most `distance` bits, or -1.

    Group g consists of the hashes `groups[g]:groups[g + 1]`.
    """
    for g in range(groups.size - 1):
        for i in range(groups[g], groups[g + 1]):
            repeats[i] = -1
            for j in range(groups[g], i):
                if different_bits(hashes[i], hashes[j]) <= distance:
                    repeats[i] = j
                    break
