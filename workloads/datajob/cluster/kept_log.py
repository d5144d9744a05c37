"""Keeps the log of the driver next to the output, where it outlives the pods."""

from __future__ import annotations

import logging
import os
import stat
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)

STDOUT = Path("/proc/self/fd/1")


class KeptLog:
    """The log of this process from now on, once `start` has stated where the output is."""

    def __init__(self, stdout: Path = STDOUT) -> None:
        self._stack = ExitStack()
        self._stdout = stdout.resolve()
        self._is_file = stat.S_ISREG(os.stat(stdout).st_mode)
        self._begin = os.stat(stdout).st_size if self._is_file else 0
        self.path: str | None = None
        """Path of the stored log; None if none is stored."""

    def start(self, sink: str, attempt: int) -> None:
        """Store the log in this sink until the end of the `with` block. Ray writes the output of its drivers to a file."""
        from datajob.engine.commit.run_log import Buffer, FileSource, LogSource, RunLog
        from datajob.formats.folder import Folder

        try:
            folder = Folder(sink)
        except Exception as error:  # noqa: BLE001 - the run will state the reason
            log.warning("cannot store the log of the driver: %s", error)
            return
        source: LogSource = FileSource(self._stdout, self._begin, flush=sys.stdout.flush)
        if not self._is_file:
            source = buffer = Buffer()
            logging.getLogger().addHandler(buffer)
            self._stack.callback(logging.getLogger().removeHandler, buffer)
        self.path = self._stack.enter_context(RunLog(folder, attempt, source)).path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()
