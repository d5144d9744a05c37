"""The Gopher quality rules (arXiv:2112.11446, table A1) in the order of datatrove, on words and line breaks."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.types import CODES, TABLE, TEXT, WORDS, boolean, f64, i64, read, u64, void, write
from datajob.operators.kernels.unicode import ALPHA, MATTER, SPACE
from datajob.operators.kernels.utf8 import decode

REASONS = (
    "gopher_short_doc",
    "gopher_long_doc",
    "gopher_below_avg_threshold",
    "gopher_above_avg_threshold",
    "gopher_too_many_hashes",
    "gopher_too_many_ellipsis",
    "gopher_too_many_bullets",
    "gopher_too_many_end_ellipsis",
    "gopher_below_alpha_threshold",
    "gopher_enough_stop_words",
)
HYPHEN, BULLET, DOT, ELLIPSIS = ord("-"), 0x2022, ord("."), 0x2026


@inline
def _starts_with_bullet(data: Any, start: int, stop: int, table: Any) -> Any:
    while start < stop:
        point, size = decode(data, start, stop)
        if not table[point] & SPACE:
            return point in (HYPHEN, BULLET)
        start += size
    return False


@inline
def _ends_in_ellipsis(data: Any, start: int, stop: int, table: Any) -> Any:
    while stop > start:
        at = stop - 1
        while at > start and (data[at] & 0xC0) == 0x80:
            at -= 1
        point, _ = decode(data, at, stop)
        if not table[point] & SPACE:
            dots = stop - start >= 3 and data[stop - 1] == DOT and data[stop - 2] == DOT and data[stop - 3] == DOT
            return dots or point == ELLIPSIS
        stop = at
    return False


@inline
def count_lines(text: Any, table: Any, words: Any, row: int) -> tuple[int, int, int]:
    """The numbers of lines (as in `str.splitlines`), of lines after a bullet, and of lines that end in an ellipsis."""
    data, base, end = text.data, text.offsets[row], text.offsets[row + 1]
    lines = bullets = ellipses = 0
    start = base
    for i in range(words.break_rows[row], words.break_rows[row + 1]):
        stop = base + words.breaks[i]
        if stop > base and data[stop] == 10 and data[stop - 1] == 13:
            start = stop + 1  # the \n of \r\n does not end another line
            continue
        lines += 1
        bullets += _starts_with_bullet(data, start, stop, table)
        ellipses += _ends_in_ellipsis(data, start, stop, table)
        _, size = decode(data, stop, end)
        start = stop + size
    if start < end:
        lines += 1
        bullets += _starts_with_bullet(data, start, end, table)
        ellipses += _ends_in_ellipsis(data, start, end, table)
    return lines, bullets, ellipses


@inline
def distinct_of(words: Any, first: int, last: int, wanted: Any, enough: int, found: Any) -> int:
    """The number of wanted words that occur, at most `enough`."""
    found[:] = False
    distinct = 0
    for word in range(first, last):
        for i in range(wanted.size):
            if words.hashes[word] == wanted[i] and not found[i]:
                found[i] = True
                distinct += 1
                if distinct >= enough:
                    return distinct
    return distinct


@inline
def count_words(words: Any, row: int) -> tuple[int, int, int]:
    """The numbers of words that are not symbols, of their characters, and of words with a letter."""
    meaningful = length = alphabetic = 0
    for word in range(words.rows[row], words.rows[row + 1]):
        if words.flags[word] & MATTER:
            meaningful += 1
            length += words.points[word]
        alphabetic += (words.flags[word] & ALPHA) != 0
    return meaningful, length, alphabetic


@inline
def _first_failure(
    text: Any, table: Any, words: Any, limits: Any, stop_words: Any, min_stop_words: int, row: int, found: Any
) -> int:
    first, last = words.rows[row], words.rows[row + 1]
    total = last - first
    meaningful, length, alphabetic = count_words(words, row)
    if meaningful < limits[0]:
        return 1
    if meaningful > limits[1]:
        return 2
    if meaningful and length / meaningful < limits[2]:
        return 3
    if meaningful and length / meaningful > limits[3]:
        return 4
    total = max(total, 1)
    if words.counts[row, 1] / total > limits[4]:
        return 5
    if words.counts[row, 2] / total > limits[5]:
        return 6
    lines, bullets, ellipses = count_lines(text, table, words, row)
    if lines and bullets / lines > limits[6]:
        return 7
    if lines and ellipses / lines > limits[7]:
        return 8
    if alphabetic / total < limits[8]:
        return 9
    if min_stop_words and distinct_of(words, first, last, stop_words, min_stop_words, found) < min_stop_words:
        return 10
    return 0


@kernel(void(TEXT, TABLE, WORDS, read(f64), read(u64), i64, write(boolean), CODES))
def gopher_quality(
    text: Any, table: Any, words: Any, limits: Any, stop_words: Any, min_stop_words: int, found: Any, codes: Any
) -> None:
    """The first rule that fails, from 1 in the order of REASONS, or 0. `limits` are those of the first nine
    rules, `found` is scratch as long as `stop_words`."""
    for row in range(text.offsets.size - 1):
        if text.alive[row]:
            codes[row] = _first_failure(text, table, words, limits, stop_words, min_stop_words, row, found)
