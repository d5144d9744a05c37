"""The number of characters of each class per row."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.jit import kernel
from datajob.operators.kernels.types import TABLE, TEXT, i64, void, write
from datajob.operators.kernels.unicode import ALNUM, BRACKET, DIGIT, SPACE
from datajob.operators.kernels.utf8 import decode, peek


@kernel(void(TEXT, TABLE, write(i64, 2)))
def count_characters(text: Any, table: Any, counts: Any) -> None:
    """Columns of `counts`: code points, ALNUM, DIGIT, SPACE, BRACKET."""
    for row in range(text.offsets.size - 1):
        if not text.alive[row]:
            continue
        at, end = text.offsets[row], text.offsets[row + 1]
        points = alphanumeric = digits = space = brackets = 0
        while at < end:
            point, size = decode(text.data, at, end)
            kind = peek(table, point)
            at += size
            points += 1
            alphanumeric += (kind & ALNUM) != 0
            digits += (kind & DIGIT) != 0
            space += (kind & SPACE) != 0
            brackets += (kind & BRACKET) != 0
        counts[row, 0], counts[row, 1], counts[row, 2] = points, alphanumeric, digits
        counts[row, 3], counts[row, 4] = space, brackets
