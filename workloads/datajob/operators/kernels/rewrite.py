"""Rewrites text: whitespace, single characters, pieces."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.jit import kernel
from datajob.operators.kernels.types import TABLE, TEXT, i64, read, types, void, write
from datajob.operators.kernels.unicode import BREAK, SPACE
from datajob.operators.kernels.utf8 import copy_bytes, decode, peek


@kernel(void(TEXT, TABLE, i64, write(types.uint8), write(i64)))
def normalize_whitespace(text: Any, table: Any, newlines: int, out: Any, ends: Any) -> None:
    """Replace runs of whitespace with a space or, if they contain line breaks, with as many newlines, at most `newlines`."""
    data, to = text.data, 0
    for row in range(text.offsets.size - 1):
        ends[row] = start = to
        at, end = text.offsets[row], text.offsets[row + 1]
        breaks, space = 0, False
        while at < end:
            point, size = decode(data, at, end)
            kind = peek(table, point)
            if kind & SPACE:
                breaks += (kind & BREAK) != 0 and not (point == 10 and at > text.offsets[row] and data[at - 1] == 13)
                space = True
                at += size
                continue
            if space and to > start:
                for _ in range(max(min(breaks, newlines), 1)):
                    out[to] = 10 if breaks and newlines else 32
                    to += 1
            breaks, space = 0, False
            for i in range(size):
                out[to + i] = data[at + i]
            at, to = at + size, to + size
    ends[text.offsets.size - 1] = to


@kernel(void(TEXT, read(types.uint16), read(types.uint8), read(i64), write(types.uint8), write(i64)))
def translate(text: Any, numbers: Any, new: Any, offsets: Any, out: Any, ends: Any) -> None:
    """Replace each character c for which `numbers[c] = n > 0` with `new[offsets[n - 1]:offsets[n]]`."""
    data, to = text.data, 0
    for row in range(text.offsets.size - 1):
        ends[row] = to
        at, end = text.offsets[row], text.offsets[row + 1]
        while at < end:
            point, size = decode(data, at, end)
            number = peek(numbers, point)
            if number:
                for i in range(offsets[number - 1], offsets[number]):
                    out[to] = new[i]
                    to += 1
            else:
                for i in range(size):
                    out[to + i] = data[at + i]
                to += size
            at += size
    ends[text.offsets.size - 1] = to


@kernel(void(read(types.uint8), read(i64), read(i64), write(types.uint8), write(i64)))
def gather(data: Any, starts: Any, stops: Any, out: Any, ends: Any) -> None:
    """Concatenate the pieces `data[starts[i]:stops[i]]`."""
    to = 0
    for i in range(starts.size):
        ends[i] = to
        copy_bytes(data, starts[i], stops[i] - starts[i], out, to)
        to += stops[i] - starts[i]
    ends[starts.size] = to
