"""The edit distance of two sequences."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.jit import kernel
from datajob.operators.kernels.types import i32, i64, read, write


@kernel(i64(read(i32), read(i32), write(i32)))
def edit_distance(first: Any, second: Any, row: Any) -> Any:
    """The least number of substitutions, insertions and deletions (Levenshtein). `row` is scratch memory: len(second) + 1."""
    for j in range(len(second) + 1):
        row[j] = j
    for i in range(len(first)):
        diagonal = row[0]
        row[0] = i + 1
        for j in range(len(second)):
            best = diagonal if first[i] == second[j] else diagonal + 1
            diagonal = row[j + 1]
            best = min(best, diagonal + 1, row[j] + 1)
            row[j + 1] = best
    return row[len(second)]
