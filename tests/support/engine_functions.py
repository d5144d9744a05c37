"""User functions of the tests."""

import os
import signal
import time
from pathlib import Path
from typing import Any


def refuse_thirteen(row: dict[str, Any]) -> dict[str, Any]:
    """Raises for the rows whose id ends in 13."""
    if row["id"] % 100 == 13:
        raise ValueError(f"no row {row['id']}")
    return {**row, "seen": True}


def refuse_low(row: dict[str, Any]) -> dict[str, Any]:
    """Raises for the first 400 rows."""
    if row["id"] < 400:
        raise KeyError("low")
    return {**row, "seen": True}


def meet(row: dict[str, Any], place: str) -> dict[str, Any]:
    """Waits until two processes are at work at the same time."""
    folder = Path(place)
    folder.mkdir(exist_ok=True)
    (folder / str(os.getpid())).touch()
    deadline = time.monotonic() + 300
    while len(list(folder.iterdir())) < 2:
        if time.monotonic() > deadline:
            raise TimeoutError("no second process came")
        time.sleep(0.01)
    return row


def fail_without(row: dict[str, Any], marker: str) -> dict[str, Any]:
    """Raises until a file exists."""
    if not Path(marker).exists():
        raise ValueError("not fixed")
    return row


def die_on_some(row: dict[str, Any]) -> dict[str, Any]:
    """Ends its process, in different ways, on the rows 13 and 500."""
    if row["id"] == 13:
        os._exit(7)
    if row["id"] == 500:
        os.kill(os.getpid(), signal.SIGSEGV)
    return row


def die_once(row: dict[str, Any], marker: str) -> dict[str, Any]:
    """Kills its worker process the first time that it meets row 500."""
    if row["id"] == 500 and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return row


def die_at(row: dict[str, Any], name: str, marker: str) -> dict[str, Any]:
    """Kills its worker process the first time that it meets a file whose name contains `name`."""
    if name in row["path"] and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return row


class Unprintable(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError


def raises_oddly(row: dict[str, Any]) -> dict[str, Any]:
    """Raises two exceptions whose text cannot be written, or not even made."""
    if row["id"] == 7:
        raise ValueError("\ud83d")
    if row["id"] == 9:
        raise Unprintable
    return row


def a_thousand(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Makes a thousand rows of one."""
    return [{**row, "copy": i} for i in range(1000)]


def slowly(row: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Waits for every row."""
    time.sleep(seconds)
    return row


def prints(row: dict[str, Any]) -> dict[str, Any]:
    """Prints a line."""
    print("a line of a user")
    return row


def refuses_with_its_row(row: dict[str, Any]) -> dict[str, Any]:
    """Raises for row 7, with its value in the message."""
    if row["id"] == 7:
        raise ValueError(f"I refuse secret-{row['id']}")
    return row


def refuses_all_with_their_rows(row: dict[str, Any]) -> dict[str, Any]:
    """Raises for every row, with its value in the message."""
    raise ValueError(f"I refuse secret-{row['id']}")


def forty_megabytes(row: dict[str, Any]) -> dict[str, Any]:
    """Adds 40 MB to a row."""
    return {**row, "data": bytes(40_000_000)}


def fails_below(row: dict[str, Any], limit: int) -> dict[str, Any]:
    """Raises for rows whose ID is less than `limit`."""
    if row["id"] < limit:
        raise ValueError("too small")
    return row
