"""MinHash signatures of texts, hashed band by band (Broder 1997; Leskovec et al., Mining of Massive Datasets, ch. 3).

Permutation k of the 32-bit n-gram hashes is `(x ^ masks[k]) * multipliers[k]` with an odd multiplier: a bijection,
computed for all k at once by the processor's vector units.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.shingles import FOLDING, longest, shingle_hashes, u32, word_hashes
from datajob.operators.kernels.types import TEXT, i64, read, types, u64, write
from datajob.operators.kernels.utf8 import MIX, SHIFT

_LARGEST = np.uint32(0xFFFFFFFF)


@inline
def _minima(shingles: Any, count: int, masks: Any, multipliers: Any, minima: Any) -> None:
    """The smallest value of each permutation over the first `count` n-grams."""
    for k in range(minima.size):
        minima[k] = _LARGEST
    for i in range(count):
        x = shingles[i]
        for k in range(minima.size):
            value = np.uint32((x ^ masks[k]) * multipliers[k])
            minima[k] = min(minima[k], value)


@kernel(
    types.void(TEXT, FOLDING, i64, types.boolean, read(u32), read(u32), i64, write(u64, 2), write(types.boolean)),
    allocates=True,
)
def band_keys(
    text: Any,
    folding: Any,
    size: int,
    by_character: bool,
    masks: Any,
    multipliers: Any,
    rows: int,
    keys: Any,
    any_words: Any,
) -> None:
    """`keys[i, b]`: the hash of band b (of `rows` permutations) of row i; `any_words[i]` is False for a text without words."""
    most = longest(text.offsets)
    words, shingles = np.empty(most + 1, np.uint64), np.empty(most + 1, np.uint32)
    minima = np.empty(masks.size, np.uint32)
    for row in range(text.offsets.size - 1):
        count = word_hashes(text.data, text.offsets[row], text.offsets[row + 1], folding, by_character, words)
        any_words[row] = count > 0
        count = shingle_hashes(words, count, size, shingles)
        _minima(shingles, count, masks, multipliers, minima)
        for band in range(keys.shape[1]):
            h = MIX * np.uint64(band + 1)
            for k in range(band * rows, (band + 1) * rows):
                h = (h ^ np.uint64(minima[k])) * MIX
                h ^= h >> SHIFT
            keys[row, band] = h
