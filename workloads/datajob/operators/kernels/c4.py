"""The C4 rules (arXiv:1910.10683) in the order of datatrove: removed lines, rejected documents, and the remaining text."""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.arrays import UNIT
from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.phrases import PHRASES, find_phrases
from datajob.operators.kernels.sentences import count_sentences
from datajob.operators.kernels.types import CODES, SENTENCES, TABLE, TEXT, WORDS, boolean, i64, read, types, u64, void, write
from datajob.operators.kernels.unicode import DIGIT, SPACE
from datajob.operators.kernels.utf8 import decode

REASONS = ("lorem_ipsum", "curly_bracket", "too_few_sentences")
LOREM_IPSUM, JAVASCRIPT, CURLY_BRACKET, POLICY = 1, 2, 4, 8
"""The effect of a phrase: LOREM_IPSUM and CURLY_BRACKET reject the document, JAVASCRIPT and POLICY remove the line."""
DROP_LINE = -1

DOT, OPEN, CLOSE = ord("."), ord("["), ord("]")
EDIT, CITATION_NEEDED = np.frombuffer(b"edit]", np.uint8), np.frombuffer(b"citation needed]", np.uint8)


@inline
def _starts_with(data: Any, at: int, stop: int, wanted: Any) -> bool:
    if at + wanted.size > stop:
        return False
    for i in range(wanted.size):  # noqa: SIM110
        if data[at + i] != wanted[i]:
            return False
    return True


@inline
def _citation_end(data: Any, at: int, stop: int, table: Any) -> int:
    """The end of the `[12]`, `[edit]` or `[citation needed]` that begins at `at`, or -1."""
    at += 1
    if _starts_with(data, at, stop, EDIT):
        return at + EDIT.size
    if _starts_with(data, at, stop, CITATION_NEEDED):
        return at + CITATION_NEEDED.size
    while at < stop and data[at] != CLOSE:
        point, size = decode(data, at, stop)
        if not table[point] & DIGIT:
            return -1
        at += size
    return at + 1 if at < stop else -1


@inline
def _copy_line(data: Any, start: int, stop: int, table: Any, citations: bool, out: Any, at: int) -> int:
    while start < stop:
        if citations and data[start] == OPEN:
            end = _citation_end(data, start, stop, table)
            if end > 0:
                start = end
                continue
        out[at] = data[start]
        at += 1
        start += 1
    return at


@inline
def _ends_well(data: Any, start: int, stop: int, marks: Any) -> bool:
    """Whether the last character is one of `marks` (code points) and not part of an ellipsis."""
    if start == stop:
        return False
    at = stop - 1
    while at > start and (data[at] & 0xC0) == 0x80:
        at -= 1
    point, _ = decode(data, at, stop)
    if stop - start >= 3 and data[stop - 1] == DOT and data[stop - 2] == DOT and data[stop - 3] == DOT:
        return False
    for mark in marks:  # noqa: SIM110
        if point == mark:
            return True
    return False


@inline
def _words_are_fine(words: Any, first: int, last: int, min_words: int, max_length: int) -> bool:
    count = length = 0
    for word in range(first, last):
        if words.flags[word] & UNIT:
            count += 1
            length = 0
        length += words.points[word]
        if length > max_length:
            return False
    return count >= min_words


@inline
def _strip(out: Any, start: int, stop: int, table: Any) -> int:
    """Strip `out[start:stop]` and move it to `start`; returns its end."""
    while stop > start:
        at = stop - 1
        while at > start and (out[at] & 0xC0) == 0x80:
            at -= 1
        point, _ = decode(out, at, stop)
        if not table[point] & SPACE:
            break
        stop = at
    begin = start
    while begin < stop:
        point, size = decode(out, begin, stop)
        if not table[point] & SPACE:
            break
        begin += size
    if begin > start:
        for i in range(stop - begin):
            out[start + i] = out[begin + i]
    return start + stop - begin


@inline
def _next_line(text: Any, words: Any, row: int, line: int) -> Any:
    """The index of the next line break as in `str.splitlines`, and its position in the row."""
    base, last = text.offsets[row], words.break_rows[row + 1]
    while line < last:
        at = np.int64(words.breaks[line])
        if at == 0 or text.data[base + at] != 10 or text.data[base + at - 1] != 13:
            return line, at
        line += 1
    return last, text.offsets[row + 1] - base


@inline
def _clean_row(
    text: Any,
    table: Any,
    breaks: Any,
    listed: Any,
    words: Any,
    row: int,
    limits: Any,
    switches: Any,
    marks: Any,
    phrases: Any,
    out: Any,
    to: int,
) -> tuple[int, int]:
    """Write the remaining lines of the row to `out` from `to`; returns their end and 0, or the rule that rejects the row."""
    base, size = text.offsets[row], text.offsets[row + 1] - text.offsets[row]
    word, last_word = words.rows[row], words.rows[row + 1]
    line, last_line, line_start = words.break_rows[row], words.break_rows[row + 1], 0
    at, sentences, kept = to, 0, 0
    while True:
        line, limit = _next_line(text, words, row, line)
        if line == last_line and line_start >= size:
            break
        first = word
        while word < last_word and words.starts[word] < limit:
            word += 1
        line_start = size
        if line < last_line:
            line_start = limit + decode(text.data, base + limit, base + size)[1]
            line_start += text.data[base + limit] == 13 and line_start < size and text.data[base + line_start] == 10
            line += 1
        if not _words_are_fine(words, first, word, limits[0], limits[1]):
            continue
        begin = end = at + (kept > 0)
        if first < word:
            start, stop = base + words.starts[first], base + words.starts[word - 1] + words.sizes[word - 1]
            end = _copy_line(text.data, start, stop, table, switches[0], out, begin)
        if switches[1] and not _ends_well(out, begin, end, marks):
            continue
        found = find_phrases(out, begin, end, phrases)
        if found & LOREM_IPSUM:
            return at, 1
        if found & JAVASCRIPT:
            continue
        if found & CURLY_BRACKET:
            return at, 2
        if found & POLICY:
            continue
        if sentences < limits[2]:
            sentences += count_sentences(out, begin, end, table, breaks, listed, limits[2] - sentences)
        if kept > 0:
            out[at] = 10
        at, kept = end, kept + 1
    if sentences < limits[2]:
        return at, 3
    return _strip(out, to, at, table), 0


@kernel(
    void(
        TEXT,
        TABLE,
        SENTENCES,
        read(u64),
        WORDS,
        read(i64),
        read(boolean),
        read(i64),
        PHRASES,
        CODES,
        write(types.uint8),
        write(i64),
    ),
)
def c4_quality(
    text: Any,
    table: Any,
    breaks: Any,
    listed: Any,
    words: Any,
    limits: Any,
    switches: Any,
    marks: Any,
    phrases: Any,
    codes: Any,
    out: Any,
    ends: Any,
) -> None:
    """Kept rows get their remaining lines; the others, and those that are not alive, keep their text.

    `breaks` and `listed`: classes of characters and abbreviations for sentences by UAX #29.
    `limits`: words per line, length of a word, sentences. `switches`: remove citations, require one of `marks` at line ends.
    Row i of the result is `out[ends[i]:ends[i + 1]]`.
    """
    at = 0
    for row in range(text.offsets.size - 1):
        ends[row] = at
        end, code = at, 3
        if text.alive[row]:
            end, code = _clean_row(text, table, breaks, listed, words, row, limits, switches, marks, phrases, out, at)
            codes[row] = code
        if code != 0:
            for i in range(text.offsets[row], text.offsets[row + 1]):
                out[at + i - text.offsets[row]] = text.data[i]
            end = at + text.offsets[row + 1] - text.offsets[row]
        at = end
    ends[text.offsets.size - 1] = at
