"""The lengths of lines, per row."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.jit import kernel
from datajob.operators.kernels.types import TABLE, TEXT, i64, void, write
from datajob.operators.kernels.unicode import BREAK
from datajob.operators.kernels.utf8 import decode, peek


@kernel(void(TEXT, TABLE, write(i64, 2)))
def line_lengths(text: Any, table: Any, lengths: Any) -> None:
    """Per row, the number of lines (as in `str.splitlines`), and the characters of all, the longest and the shortest."""
    data = text.data
    for row in range(text.offsets.size - 1):
        if not text.alive[row]:
            continue
        at, end = text.offsets[row], text.offsets[row + 1]
        lines = total = longest = length = 0
        shortest = end - at
        while at < end:
            point, size = decode(data, at, end)
            at += size
            broken = (peek(table, point) & BREAK) != 0
            if broken and point == 13 and at < end and data[at] == 10:
                at += 1
            length += not broken
            if broken or at == end:
                lines, total = lines + 1, total + length
                longest, shortest, length = max(longest, length), min(shortest, length), 0
        lengths[row, 0], lengths[row, 1], lengths[row, 2], lengths[row, 3] = lines, total, longest, shortest
