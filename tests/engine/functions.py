"""User functions of the tests."""

import os
import signal
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
