"""Finds the rows that make a step fail, by bisection, so that one bad row costs one row and not its batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from datajob.errors import DataJobError

if TYPE_CHECKING:
    import pyarrow as pa

R = TypeVar("R")


@dataclass(frozen=True)
class Piece(Generic[R]):
    """Consecutive rows that went through a step together."""

    start: int
    stop: int
    result: R


@dataclass(frozen=True)
class BadRow:
    """A row on its own that made the step raise."""

    row: int
    error: str


def describe(error: Exception) -> str:
    """What an exception says, as text that can be written: a function may raise anything."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - its own `__str__` raises
        text = type(error).__name__
    return text.encode("utf-8", "backslashreplace").decode()


def isolate(call: Callable[[pa.Table], R], table: pa.Table) -> tuple[list[Piece[R]], list[BadRow]]:
    """`call` on as large slices of `table` as do not raise, and the rows that raise alone; both in row order.

    A DataJobError says that the job or its input is wrong, not a row: it passes through, as do MemoryError and
    everything that is no Exception.
    """
    pieces: list[Piece[R]] = []
    bad: list[BadRow] = []
    todo = [(0, int(table.num_rows))]
    while todo:
        start, stop = todo.pop()
        try:
            pieces.append(Piece(start, stop, call(table.slice(start, stop - start))))
        except (DataJobError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a user's function raises is that row's error
            if stop - start <= 1:
                bad.append(BadRow(start, describe(error)))
            else:
                middle = (start + stop) // 2
                todo += [(middle, stop), (start, middle)]
    return pieces, bad
