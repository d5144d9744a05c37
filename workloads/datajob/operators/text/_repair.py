"""Repair of a text column: the compiled scan, and Python for the lines that it cannot handle."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.operators.kernels.arrays import Rules, Text

Fixer: TypeAlias = Callable[[str, bool], str]


def repaired(text: Text, rules: Rules, start: int, most: int, fix: Fixer) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
    """The bytes and offsets of the repaired text; None if nothing changes.

    `start` and `rules` are the automaton's and the characters', `most` the characters of a line at once.
    """
    import numpy as np

    from datajob.operators.kernels.repair import repair_lines, splice

    data, rows = text.data[text.offsets[0] : text.offsets[-1]], len(text.offsets) - 1
    offsets = text.offsets - text.offsets[0]
    offsets.flags.writeable = False
    out, ends = np.empty(len(data) + len(data) // 2 + 64, np.uint8), np.empty(rows + 1, np.int64)
    hard = np.empty((rows + int(np.count_nonzero(data == 10)) + len(data) // most + 1, 5), np.int64)
    counts = np.zeros(2, np.int64)
    repair_lines(rules, start, most, data, offsets, out, ends, hard, counts)
    hard = hard[: counts[0]]
    if not counts.any():
        return None
    if not len(hard):
        return out[: ends[-1]].copy(), ends
    view = data.data
    fixed = [fix(str(view[at:stop], "utf-8"), bool(decodes)).encode() for _, at, stop, _, decodes in hard.tolist()]
    fixed_ends = np.cumsum([0, *map(len, fixed)], dtype=np.int64)
    joined = np.frombuffer(b"".join(fixed) or b"\0", np.uint8)
    final, final_ends = np.empty(int(ends[-1] + fixed_ends[-1]), np.uint8), np.empty(rows + 1, np.int64)
    for array in (out, ends, hard, fixed_ends):
        array.flags.writeable = False
    splice(out, ends, hard, joined, fixed_ends, final, final_ends)
    return final, final_ends
