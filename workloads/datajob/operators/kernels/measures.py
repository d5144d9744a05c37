"""The measures that the Gopher, FineWeb and C4 rules and word lengths compare with limits, for every row and rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.fineweb import count_lines as count_marked_lines
from datajob.operators.kernels.gopher import count_lines, count_words, distinct_of
from datajob.operators.kernels.jit import kernel
from datajob.operators.kernels.repetition import duplicate_parts, trimmed
from datajob.operators.kernels.sentences import count_sentences
from datajob.operators.kernels.sequences import SCRATCH, duplicate_characters, every_word, find_repeats, top_characters
from datajob.operators.kernels.types import SENTENCES, TABLE, TEXT, WORDS, boolean, f64, i64, read, u64, void, write

NEWLINE = 10
ALL = 1 << 62


@kernel(void(TEXT, TABLE, WORDS, read(u64), write(boolean), write(f64, 2)))
def quality_measures(text: Any, table: Any, words: Any, stop_words: Any, found: Any, out: Any) -> None:
    """Columns of `out`: words, their mean length (NaN if there are none), `#` and ellipses per word, ratios of bullet and
    ellipsis lines and of alphabetic words, distinct stop words. `found` is scratch of the length of `stop_words`."""
    for row in range(text.offsets.size - 1):
        if not text.alive[row]:
            continue
        first, last = words.rows[row], words.rows[row + 1]
        total = max(last - first, 1)
        meaningful, length, alphabetic = count_words(words, row)
        lines, bullets, ellipses = count_lines(text, table, words, row)
        out[row, 0], out[row, 1] = meaningful, length / meaningful
        out[row, 2], out[row, 3] = words.counts[row, 1] / total, words.counts[row, 2] / total
        out[row, 4], out[row, 5] = bullets / max(lines, 1), ellipses / max(lines, 1)
        out[row, 6] = alphabetic / total
        out[row, 7] = distinct_of(words, first, last, stop_words, stop_words.size, found)


@kernel(void(WORDS, write(i64, 2)))
def word_lengths(words: Any, out: Any) -> None:
    """Columns of `out`: the numbers of words that are not symbols, and of their characters."""
    for row in range(words.rows.size - 1):
        out[row, 0], out[row, 1], _ = count_words(words, row)


@kernel(void(TEXT, WORDS, read(i64), read(i64), SCRATCH, write(f64, 2)))
def repetition_measures(text: Any, words: Any, top_sizes: Any, dup_sizes: Any, scratch: Any, out: Any) -> None:
    """Columns of `out`: ratios of duplicate paragraphs and their characters, of duplicate lines and their characters,
    of the top sequence of each of `top_sizes`, of the duplicate sequences of each of `dup_sizes`."""
    for row in range(text.offsets.size - 1):
        base, end = text.offsets[row], text.offsets[row + 1]
        if not text.alive[row] or base == end:
            continue
        points = words.counts[row, 0]
        low, high = trimmed(text, words, row)
        parts, repeated, characters = duplicate_parts(text, words, row, low, high, 2, scratch.keys)
        out[row, 0], out[row, 1] = repeated / parts, characters / points
        parts, repeated, characters = duplicate_parts(text, words, row, base, end, 1, scratch.keys)
        out[row, 2], out[row, 3] = repeated / parts, characters / points
        candidates = every_word(words, row, scratch)
        for rule in range(top_sizes.size):
            characters, candidates = top_characters(words, row, top_sizes[rule], candidates, scratch)
            out[row, 4 + rule] = characters / points
        if words.rows[row + 1] > words.rows[row] and dup_sizes.size:
            candidates = find_repeats(text, words, row, dup_sizes[0], scratch)
            for rule in range(dup_sizes.size):
                characters = duplicate_characters(words, row, dup_sizes[rule], candidates, scratch)
                out[row, 4 + top_sizes.size + rule] = characters / points


@kernel(void(TEXT, TABLE, WORDS, i64, write(u64), write(f64, 2)))
def line_measures(text: Any, table: Any, words: Any, short: int, keys: Any, out: Any) -> None:
    """Columns of `out`: shares of lines that end in a mark and of short lines, share of characters in repeated lines,
    newlines per word; NaN in blank texts. `keys` is scratch with room for the lines of any row (`capacity_for`)."""
    for row in range(text.offsets.size - 1):
        if not text.alive[row]:
            continue
        lines, marked, short_lines, newlines, repeated = count_marked_lines(text, table, words, short, row, keys)
        total, characters = words.rows[row + 1] - words.rows[row], words.counts[row, 0] - newlines
        out[row, :] = np.nan
        if lines:
            out[row, 0], out[row, 1] = marked / lines, short_lines / lines
            out[row, 2], out[row, 3] = repeated / characters, newlines / total


@kernel(void(TEXT, TABLE, SENTENCES, read(u64), write(i64)))
def sentences_of_lines(text: Any, table: Any, breaks: Any, listed: Any, counts: Any) -> None:
    """Per row, the number of sentences of its lines (separated by `\\n`), at least one per line, as in C4; 0 for no text."""
    for row in range(text.offsets.size - 1):
        start, end = text.offsets[row], text.offsets[row + 1]
        if not text.alive[row] or start == end:
            continue
        for at in range(start, end + 1):
            if at == end or text.data[at] == NEWLINE:
                counts[row] += count_sentences(text.data, start, at, table, breaks, listed, ALL)
                start = at + 1
