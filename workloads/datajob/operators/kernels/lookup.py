"""Words and sequences of words that are in a list."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.hashtable import contains, find_or_add
from datajob.operators.kernels.jit import kernel
from datajob.operators.kernels.types import WORDS, i64, read, u64, void, write
from datajob.operators.kernels.utf8 import combine


@kernel(void(WORDS, write(u64), write(u64)))
def fill_tables(words: Any, firsts: Any, entries: Any) -> None:
    """Add the first word and the whole of each row of `words` to the hash tables."""
    for row in range(words.rows.size - 1):
        first, last = words.rows[row], words.rows[row + 1]
        if first < last:
            key = words.hashes[first]
            find_or_add(firsts, firsts.size, key)
            for word in range(first + 1, last):
                key = combine(key, words.hashes[word])
            find_or_add(entries, entries.size, key)


@kernel(void(WORDS, read(u64), read(u64), i64, write(i64)))
def count_listed(words: Any, firsts: Any, entries: Any, longest: int, counts: Any) -> None:
    """The number of words per row that belong to an entry; the longest entry at each word counts."""
    for row in range(words.rows.size - 1):
        word, last = words.rows[row], words.rows[row + 1]
        while word < last:
            key, matched = words.hashes[word], 0
            if contains(firsts, key):
                matched = 1 if contains(entries, key) else 0
                for size in range(2, min(longest, last - word) + 1):
                    key = combine(key, words.hashes[word + size - 1])
                    if contains(entries, key):
                        matched = size
            counts[row] += matched
            word += max(matched, 1)
