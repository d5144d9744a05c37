"""Finds the rows on which an operator raises, by bisection, so that a bad row does not take its batch with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from datajob.engine import journal
from datajob.errors import DataJobError, described
from datajob.operators.batch import Batch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

R = TypeVar("R")


@dataclass(frozen=True)
class Piece(Generic[R]):
    """Consecutive rows that the operator processed together."""

    start: int
    stop: int
    result: R
    failures: Mapping[int, str] = field(default_factory=dict)
    """Reason of each row that the operator failed, by its position in the piece."""

    @property
    def passed(self) -> NDArray[np.bool_]:
        """For each row, whether it did not fail."""
        import numpy as np

        passed = np.ones(self.stop - self.start, dtype=bool)
        passed[list(self.failures)] = False
        return passed


@dataclass(frozen=True)
class BadRow:
    """A single row that the operator failed, or on which it raises."""

    row: int
    error: str
    """With the marks of its private parts."""


def isolate(call: Callable[[Batch, int], R], batch: Batch) -> tuple[list[Piece[R]], list[BadRow]]:
    """Apply `call` to parts of `batch` (and their start) that are as large as possible without raising.

    Returns the results, and the rows that failed or that raise on their own, both in row order. The first part is `batch`
    itself, so that operators share what they derive from it. A DataJobError means that the job or its input is invalid, not
    a row: it is raised, as are MemoryError, everything that is not an Exception, and any error for a batch without rows.
    """
    pieces: list[Piece[R]] = []
    bad: list[BadRow] = []
    todo = [(0, len(batch))]
    number = journal.next_call()
    while todo:
        start, stop = todo.pop()
        part = batch if stop - start == len(batch) else Batch(batch.table.slice(start, stop - start))
        part.failures = {}
        try:
            journal.enter(f"call {number} {start} {stop}")
            result = call(part, start)
            pieces.append(Piece(start, stop, result, part.failures))
            bad += [BadRow(start + row, reason) for row, reason in sorted(part.failures.items())]
        except (DataJobError, MemoryError):
            raise
        except Exception as error:  # anything that user code raises is an error of the row
            if stop == start:
                raise
            if stop - start == 1:
                bad.append(BadRow(start, described(error)))
            else:
                middle = (start + stop) // 2
                todo += [(middle, stop), (start, middle)]
    journal.leave()
    return pieces, bad
