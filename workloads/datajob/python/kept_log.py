"""Keeps a log of a run on this machine next to its output: what the run reports, and what is logged meanwhile."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from datajob.api.report import Report
from datajob.engine.commit.run_log import Buffer, RunLog
from datajob.engine.commit.run_state import load_state
from datajob.engine.events import Event, Finished, Note, Progressed, Started
from datajob.formats.folder import Folder

PROGRESS_SECONDS = 10.0
"""Progress is logged at most this often."""


class KeptLog:
    """The log of one run. It begins when the run has opened its sink: a sink that refuses the run is not written to."""

    def __init__(self, sink: str) -> None:
        self._sink = sink
        self._buffer = Buffer()
        self._stack = ExitStack()
        self._logged = 0.0

    def watch(self, event: Event) -> None:
        """Log an event."""
        if isinstance(event, Started):
            folder = Folder(self._sink)
            state = load_state(folder)
            self._stack.enter_context(RunLog(folder, state.attempt if state else 1, self._buffer))
            self._buffer.line(f"Started: {event.input_files} files, {event.input_bytes} bytes, {event.shards} shards.")
        elif isinstance(event, Note):
            self._buffer.line(event.message)
        elif isinstance(event, Finished) or (isinstance(event, Progressed) and self._is_due()):
            self._logged = time.monotonic()
            self._buffer.line(progress_line(event.report))

    def _is_due(self) -> bool:
        return time.monotonic() - self._logged > PROGRESS_SECONDS

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self._buffer)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        logging.getLogger().removeHandler(self._buffer)
        if error is not None:
            self._buffer.line(f"{type(error).__name__}: {error}")
        self._stack.close()


def progress_line(report: Report) -> str:
    """The totals of a report in a line."""
    p = report.progress
    return f"{p.percent}%: {p.rows_in} rows read, {p.rows_out} written, {p.rows_rejected} rejected, {p.rows_failed} failed"
