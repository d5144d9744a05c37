"""The FineWeb quality rules (arXiv:2406.17557) in the order of datatrove, on words and line breaks."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.hashtable import capacity_for, find_or_add
from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.types import CODES, TABLE, TEXT, WORDS, boolean, f64, i64, read, u64, void, write
from datajob.operators.kernels.unicode import TERMINAL
from datajob.operators.kernels.utf8 import count_points, decode, hash_bytes

REASONS = ("empty", "line_punct_ratio", "short_line_ratio", "char_dup_ratio", "list_ratio")
NEWLINE = 10


@inline
def _ends_in_mark(data: Any, start: int, stop: int, table: Any) -> Any:
    at = stop - 1
    while at > start and (data[at] & 0xC0) == 0x80:
        at -= 1
    point, _ = decode(data, at, stop)
    return (table[point] & TERMINAL) != 0


@inline
def _is_short(data: Any, start: int, stop: int, length: int) -> Any:
    size = stop - start
    if size <= length:
        return True
    return size <= 4 * length and count_points(data, start, size) <= length


@inline
def count_lines(text: Any, table: Any, words: Any, short: int, row: int, keys: Any) -> tuple[int, int, int, int, int]:
    """The numbers of nonblank lines, lines with an end mark, short lines, newlines, and characters in repeated lines."""
    data, base, end = text.data, text.offsets[row], text.offsets[row + 1]
    word, last_word = words.rows[row], words.rows[row + 1]
    line, last_line = words.break_rows[row], words.break_rows[row + 1]
    capacity = capacity_for(last_line - line + 1)
    keys[:capacity] = 0
    lines = marked = short_lines = newlines = repeated = 0
    start = base
    while True:
        while line < last_line and data[base + words.breaks[line]] != NEWLINE:
            line += 1
        stop = base + words.breaks[line] if line < last_line else end
        blank = word >= last_word or base + words.starts[word] >= stop
        while word < last_word and base + words.starts[word] < stop:
            word += 1
        if not blank:
            lines += 1
            marked += _ends_in_mark(data, start, stop, table)
            short_lines += _is_short(data, start, stop, short)
            _, new = find_or_add(keys, capacity, hash_bytes(data, start, stop - start))
            if not new:
                repeated += count_points(data, start, stop - start)
        if line == last_line:
            break
        newlines += 1
        line += 1
        start = stop + 1
    return lines, marked, short_lines, newlines, repeated


@inline
def _first_failure(text: Any, table: Any, words: Any, limits: Any, short: int, exclude_zero: bool, row: int, keys: Any) -> int:
    lines, marked, short_lines, newlines, repeated = count_lines(text, table, words, short, row, keys)
    if lines == 0:
        return 1
    if marked / lines < limits[0] and not (marked == 0 and exclude_zero):
        return 2
    if short_lines / lines > limits[1]:
        return 3
    if repeated / (words.counts[row, 0] - newlines) > limits[2]:
        return 4
    if newlines / (words.rows[row + 1] - words.rows[row]) > limits[3]:
        return 5
    return 0


@kernel(void(TEXT, TABLE, WORDS, read(f64), i64, boolean, write(u64), CODES))
def fineweb_quality(
    text: Any, table: Any, words: Any, limits: Any, short: int, exclude_zero: bool, keys: Any, codes: Any
) -> None:
    """The first rule that fails, from 1 in the order of REASONS, or 0. `limits` are those of the last four rules;
    `keys` is scratch with room for the lines of any row (`capacity_for`)."""
    for row in range(text.offsets.size - 1):
        if text.alive[row]:
            codes[row] = _first_failure(text, table, words, limits, short, exclude_zero, row, keys)
