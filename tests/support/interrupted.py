"""User functions that can be interrupted, and that note which rows they process."""

import os
import time
from pathlib import Path
from typing import Any

calls: list[int] = []
"""IDs of the rows that were processed, in order."""
fuse: list[int] = []
"""How many rows may still be processed before the run is interrupted; empty: all."""


def _note(row: dict[str, Any]) -> None:
    if fuse:
        fuse[0] -= 1
        if fuse[0] < 0:
            raise KeyboardInterrupt
    calls.append(row["id"])


def messy(row: dict[str, Any]) -> dict[str, Any]:
    """Fails on some rows, and returns values of several types."""
    _note(row)
    if row["id"] % 97 == 13:
        raise ValueError(f"no row {row['id']}")
    return {**row, "late": None if row["id"] < 150 else row["id"], "half": row["id"] / 2 if row["id"] % 5 else row["id"]}


def of_two_types(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a number or, for some rows, a text."""
    _note(row)
    return {**row, "value": "text" if row["id"] % 300 > 290 else row["id"]}


def with_and_without(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a column for some rows only."""
    _note(row)
    return {**row, "odd": 1} if row["id"] > 200 else row


def some_of_each(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Makes up to six rows of one, or none."""
    _note(row)
    return [{**row, "copy": i, "words": row["text"].split()[:i]} for i in range(row["id"] % 7)]


def whole_batch(table: Any) -> Any:
    """Returns a batch as it is."""
    for row in table.to_pylist():
        _note(row)
    return table


def slow_in(row: dict[str, Any], driver: int, log: str, deadly: int = -1, marker: str = "") -> dict[str, Any]:
    """Takes time in the process `driver` only. Other processes note themselves and the row, and end at the row `deadly`.

    With `marker`, they end only if that file does not exist, and create it.
    """
    if os.getpid() == driver:
        time.sleep(0.005)
    elif row["id"] == deadly and not (marker and Path(marker).exists()):
        if marker:
            Path(marker).touch()
        os._exit(9)
    Path(log, str(os.getpid())).touch()
    return {**row, "size": len(row["text"])}


def noted(row: dict[str, Any], log: str, seconds: float) -> dict[str, Any]:
    """Takes time, and notes each row."""
    time.sleep(seconds)
    with open(Path(log, str(os.getpid())), "a") as file:
        file.write(f"{row['id']}\n")
    return {**row, "size": len(row["text"])}
