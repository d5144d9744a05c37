"""Finds the rows on which an operator raises, by bisection, so that a bad row does not take its batch with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from datajob.engine import journal
from datajob.errors import DataJobError

if TYPE_CHECKING:
    import pyarrow as pa

R = TypeVar("R")


@dataclass(frozen=True)
class Piece(Generic[R]):
    """Consecutive rows that the operator processed together."""

    start: int
    stop: int
    result: R


@dataclass(frozen=True)
class BadRow:
    """A single row on which the operator raises."""

    row: int
    error: str


def describe_error(error: Exception) -> str:
    """The type and the message of an exception, as text that can be stored: user code may raise anything."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - its own `__str__` raises
        text = type(error).__name__
    return text.encode("utf-8", "backslashreplace").decode()


def isolate(call: Callable[[pa.Table, int], R], table: pa.Table) -> tuple[list[Piece[R]], list[BadRow]]:
    """Apply `call` to slices of `table` (and their start) that are as large as possible without raising.

    Returns the results and the rows that raise on their own, both in row order. A DataJobError means that the job or its
    input is invalid, not a row: it is raised, as are MemoryError and everything that is not an Exception.
    """
    pieces: list[Piece[R]] = []
    bad: list[BadRow] = []
    todo = [(0, int(table.num_rows))]
    number = journal.next_call()
    while todo:
        start, stop = todo.pop()
        try:
            journal.enter(f"call {number} {start} {stop}")
            pieces.append(Piece(start, stop, call(table.slice(start, stop - start), start)))
        except (DataJobError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - anything that user code raises is an error of the row
            if stop - start <= 1:
                bad.append(BadRow(start, describe_error(error)))
            else:
                middle = (start + stop) // 2
                todo += [(middle, stop), (start, middle)]
    journal.leave()
    return pieces, bad
