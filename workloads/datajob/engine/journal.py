"""A journal of what a process is doing. If the process dies, the last entry shows what it was working on.

Only a process that runs a shard on probation keeps a journal. In every other process these functions do nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


class ProcessEndedError(Exception):
    """These rows terminated an earlier process."""


@dataclass
class Journal:
    """Writes entries to a file descriptor. Entries that terminated an earlier process raise instead."""

    descriptor: int
    deadly: Mapping[str, str]
    """Entries that terminated a process, with the cause."""
    position: str = ""
    """Where in the shard the process is."""
    calls: int = 0
    """Number of operator calls at this position. The order of calls is the same in every process."""

    def enter(self, entry: str) -> None:
        """Record what begins. Raises ProcessEndedError if it terminated an earlier process."""
        if cause := self.deadly.get(entry):
            raise ProcessEndedError(f"the process terminated while it processed this row: {cause}")
        os.write(self.descriptor, f"{entry}\n".encode())

    def leave(self) -> None:
        """Record that an operator returned."""
        os.write(self.descriptor, b"-\n")


_active: Journal | None = None


def keep(journal: Journal) -> None:
    """Keep a journal in this process from now on."""
    global _active
    _active = journal


def is_kept() -> bool:
    """Whether this process keeps a journal."""
    return _active is not None


def at(position: str) -> None:
    """Set where in the shard the process is. Calls are numbered from there, so numbers do not depend on what is skipped."""
    if _active is not None:
        _active.position, _active.calls = position, 0


def next_call() -> str:
    """Identifies the next call of an operator."""
    if _active is not None:
        _active.calls += 1
        return f"{_active.position}.{_active.calls}"
    return ""


def enter(entry: str) -> None:
    """Like `Journal.enter`."""
    if _active is not None:
        _active.enter(entry)


def leave() -> None:
    """Like `Journal.leave`."""
    if _active is not None:
        _active.leave()


def last_entry(text: str) -> str | None:
    """The last activity in a journal: an operator that did not return, or the last file that was opened."""
    entries = text.splitlines()
    if entries and entries[-1].startswith("call "):
        return entries[-1]
    return next((entry for entry in reversed(entries) if entry.startswith("file ")), None)
