"""How the Python interface shows the progress of a run: not at all, on a terminal, in a notebook, or by a callback."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from datajob.api.report import Report
from datajob.engine.events import Event, Finished, Note, OnEvent, Progressed, Started, Working

log = logging.getLogger("datajob")
EVERY_SECONDS = 0.5
"""Between updates of a notebook's output."""

ProgressOption = bool | Callable[[Report], None]
"""False: silent; True: show the progress; a function: called with the report after each shard."""


@contextmanager
def watching_by(progress: ProgressOption, name: str) -> Iterator[OnEvent]:
    """What to call with the events of the run of the job called `name`."""
    if callable(progress):
        yield _calling(progress)
    elif not progress:
        yield _log_notes
    elif (display := _notebook_display()) is not None:
        yield _NotebookView(name, display)
    else:
        from datajob.python.progress import watching

        with watching(name, quiet=False) as on_event:
            yield on_event


def _log_notes(event: Event) -> None:
    if isinstance(event, Note):
        log.info(event.message)


def _calling(function: Callable[[Report], None]) -> OnEvent:
    def on_event(event: Event) -> None:
        _log_notes(event)
        if isinstance(event, Progressed | Finished):
            function(event.report)

    return on_event


def _notebook_display() -> Any | None:
    """IPython's `display` if this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display


class _NotebookView:
    """One line with a bar below the cell, updated in place. Needs no widgets."""

    def __init__(self, name: str, display: Any) -> None:
        self.name = name
        self.notes: list[str] = []
        self.line = "starting"
        self.percent = 0
        self.updated = time.monotonic()
        self.handle = display(self, display_id=True)

    def __call__(self, event: Event) -> None:
        from datajob.python.progress import progress_text, started_text

        if isinstance(event, Working):
            return
        if isinstance(event, Started):
            self.line = started_text(event)
        elif isinstance(event, Note):
            self.notes.append(event.message)
        else:
            self.line, self.percent = progress_text(event.report), event.report.progress.percent
        now = time.monotonic()
        if not isinstance(event, Progressed) or now - self.updated >= EVERY_SECONDS:
            self.updated = now
            self.handle.update(self)

    def __repr__(self) -> str:
        return "\n".join([*self.notes, f"{self.name}: {self.percent}%, {self.line}"])

    def _repr_html_(self) -> str:
        notes = "".join(f"<div>{escape(note)}</div>" for note in self.notes)
        bar = f'<progress max="100" value="{self.percent}"></progress>'
        return f"{notes}<div><b>{escape(self.name)}</b> {bar} {self.percent}% {escape(self.line)}</div>"
