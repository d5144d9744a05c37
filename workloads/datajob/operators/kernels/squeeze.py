"""Removes the characters of a class from texts, or replaces each run of them with a space."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.jit import kernel
from datajob.operators.kernels.types import TABLE, boolean, i64, read, types, void, write
from datajob.operators.kernels.utf8 import decode

BLANK = ord(" ")


@kernel(void(read(types.uint8), read(i64), TABLE, boolean, write(types.uint8), write(i64)))
def squeeze(data: Any, offsets: Any, table: Any, blank: bool, out: Any, out_offsets: Any) -> None:
    """Copy each row to `out` (as long as `data`) without the characters that `table` marks.

    With `blank`, a run of them between others becomes a space. `out_offsets` (n + 1) are the starts of the rows.
    """
    place = 0
    out_offsets[0] = 0
    for row in range(offsets.size - 1):
        at, end, first, gap = offsets[row], offsets[row + 1], place, False
        while at < end:
            size, point = 1, int(data[at])
            if point >= 0x80:
                point, size = decode(data, at, end)
            if table[point]:
                gap = blank and place > first
            else:
                if gap:
                    out[place] = BLANK
                    place += 1
                    gap = False
                for i in range(size):
                    out[place + i] = data[at + i]
                place += size
            at += size
        out_offsets[row + 1] = place
