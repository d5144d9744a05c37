"""Regions that can contain addresses and numbers: a fast scan, so that regular expressions read only little of the text."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.types import TEXT, i64, read, types, void, write
from datajob.operators.kernels.utf8 import copy_bytes, peek

AT, LINK, NUMBER, DOTTED, COLONS = 1, 2, 4, 8, 16
"""Hints that a region contains a match: `@`; `://` or `www.`; many digits; digits and three dots; two colons."""

DIGIT, JOINT, BLANK = 1, 2, 4
"""The role of a byte in a number: a digit, one of `+-.()/` or a space, any whitespace."""
MIN_DIGITS = 7


def byte_kinds() -> Any:
    """The table of the bits above for all 256 bytes, read-only."""
    import numpy as np

    kinds = np.zeros(256, dtype=np.uint8)
    kinds[ord("0") : ord("9") + 1] = DIGIT
    kinds[[ord(c) for c in "+-.()/"]] = JOINT
    kinds[: ord(" ") + 1] = BLANK
    kinds[ord(" ")] = BLANK | JOINT
    kinds.flags.writeable = False
    return kinds


@inline
def _hint(data: Any, at: int, end: int) -> int:
    """The hint of the byte at `at`, which is not part of a number."""
    byte = peek(data, at)
    if byte == 64:
        return AT
    if byte == 58 and at + 2 < end:
        return LINK if peek(data, at + 1) == 47 and peek(data, at + 2) == 47 else 0  # ://
    if (byte == 119 or byte == 87) and at + 3 < end and peek(data, at + 3) == 46:
        return LINK if peek(data, at + 1) | 32 == 119 and peek(data, at + 2) | 32 == 119 else 0  # www.
    return 0


@kernel(i64(TEXT, read(types.uint8), i64, write(i64), write(i64), write(types.int32), write(types.uint8)))
def find_regions(text: Any, kinds: Any, wanted: int, starts: Any, ends: Any, rows: Any, hints: Any) -> int:
    """Regions of the text between whitespace, with their hints; returns their number."""
    data, found = text.data, 0
    for row in range(text.offsets.size - 1):
        at, end = text.offsets[row], text.offsets[row + 1]
        if not text.alive[row]:
            continue
        start = at  # of the region
        hint = digits = dots = colons = 0
        numeric = False  # a number in the last token can continue after a space
        while at <= end:
            byte = peek(data, at) if at < end else 10
            kind = peek(kinds, byte)
            if kind & DIGIT:
                digits += 1
                numeric = True
            elif kind & BLANK:
                hint |= NUMBER if digits >= MIN_DIGITS else 0
                hint |= DOTTED if dots >= 3 and digits >= 4 else 0
                hint |= COLONS if colons >= 2 else 0
                dots = colons = 0
                goes_on = kind & JOINT and numeric and at + 1 < end and peek(kinds, peek(data, at + 1)) & (DIGIT | JOINT)
                if not goes_on or peek(kinds, peek(data, at + 1)) & BLANK:
                    if hint & wanted:
                        starts[found], ends[found], rows[found], hints[found] = start, at, row, hint
                        found += 1
                    start, hint, digits, numeric = at + 1, 0, 0, False
            elif not kind & JOINT:
                hint |= _hint(data, at, end)
                colons += byte == 58
                numeric = False
            dots += byte == 46
            at += 1
    return found


@kernel(void(TEXT, read(i64), read(i64), read(i64), read(types.uint8), read(i64), write(types.uint8), write(i64)))
def splice(text: Any, rows: Any, starts: Any, ends: Any, new: Any, offsets: Any, out: Any, out_offsets: Any) -> None:
    """The text with span i replaced by `new[offsets[i]:offsets[i + 1]]`; spans `rows[r]:rows[r + 1]` belong to row r."""
    to = 0
    for row in range(text.offsets.size - 1):
        out_offsets[row] = to
        at = text.offsets[row]
        for span in range(rows[row], rows[row + 1]):
            copy_bytes(text.data, at, starts[span] - at, out, to)
            to += starts[span] - at
            copy_bytes(new, offsets[span], offsets[span + 1] - offsets[span], out, to)
            to += offsets[span + 1] - offsets[span]
            at = ends[span]
        copy_bytes(text.data, at, text.offsets[row + 1] - at, out, to)
        to += text.offsets[row + 1] - at
    out_offsets[text.offsets.size - 1] = to
