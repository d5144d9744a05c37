"""Keeps the log of the driver next to the result, so that it outlives the pods.

`_datajob/logs/TIME-ATTEMPT.log` is replaced periodically while the driver runs: a lost driver loses the last seconds only. The
file is bounded: of a long log, it contains the beginning and the end.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING

LOGS = f"{BOOKKEEPING}/logs"
KEPT_LOGS = 20
"""Number of logs that a sink keeps."""
HEAD_BYTES = 256 << 10
TAIL_BYTES = 1 << 20
INTERVAL_SECONDS = 15.0
LARGE_BYTES = 64 << 10
LARGE_INTERVAL_SECONDS = 60.0
"""A log of more than `LARGE_BYTES` is replaced less often, since it is uploaded as a whole."""

log = logging.getLogger(__name__)

LogSource = Callable[[], bytes]
"""Returns the log so far, bounded."""


class RunLog:
    """The log of one attempt. Failures to store it are logged once and never end the run."""

    def __init__(self, sink: Folder, attempt: int, source: LogSource, interval: float = INTERVAL_SECONDS) -> None:
        self._sink = sink
        self._source = source
        self._interval = interval
        self._written = b""
        self._warned = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True, name="run-log")
        self.name = f"{LOGS}/{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{attempt}.log"

    @property
    def path(self) -> str:
        """The full path of the log."""
        return self._sink.join(self.name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self._write()

    def _loop(self) -> None:
        self._attempt_to(self._delete_old)
        while not self._stop.wait(self._interval if len(self._written) <= LARGE_BYTES else LARGE_INTERVAL_SECONDS):
            self._write()

    def _write(self) -> None:
        self._attempt_to(self._write_if_changed)

    def _write_if_changed(self) -> None:
        content = self._source()
        if content != self._written:
            self._sink.write(self.name, content)
            self._written = content

    def _delete_old(self) -> None:
        self._sink.delete(logs_in(self._sink)[: -(KEPT_LOGS - 1)])

    def _attempt_to(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - a log is never worth a run
            if not self._warned:
                log.warning("cannot store the log of the driver: %s", error)
            self._warned = True


def logs_in(sink: Folder) -> list[str]:
    """The names of the logs in a sink, the oldest first."""
    return sorted(name for name in sink.list(LOGS) if name.endswith(".log"))


class FileSource:
    """What is written to a file after `start`: the beginning and the end of it."""

    def __init__(self, path: Path, start: int = 0, flush: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._start = start
        self._flush = flush

    def __call__(self) -> bytes:
        self._flush()
        with self._path.open("rb") as file:
            size = max(0, file.seek(0, 2) - self._start)
            file.seek(self._start)
            if size <= HEAD_BYTES + TAIL_BYTES:
                return file.read()
            head = file.read(HEAD_BYTES)
            file.seek(self._start + size - TAIL_BYTES)
            return _joined(head, file.read(), size)


class Buffer(logging.Handler):
    """Collects log records and other lines in memory."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = self._bytes = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Add a record. Called with the lock of the handler."""
        self._add(f"{self.format(record)}\n".encode(errors="replace"))

    def line(self, message: str) -> None:
        """Add a line that is not logged elsewhere."""
        self.handle(logging.LogRecord("datajob", logging.INFO, "", 0, message, None, None))

    def __call__(self) -> bytes:
        """The log so far."""
        with self.lock or threading.RLock():
            return _joined(bytes(self._head), b"".join(self._tail), self._bytes)

    def _add(self, line: bytes) -> None:
        self._bytes += len(line)
        if not self._tail and len(self._head) + len(line) <= HEAD_BYTES:
            self._head += line
            return
        self._tail.append(line)
        self._tail_bytes += len(line)
        while self._tail_bytes > TAIL_BYTES and len(self._tail) > 1:
            self._tail_bytes -= len(self._tail.popleft())


def _joined(head: bytes, tail: bytes, size: int) -> bytes:
    omitted = size - len(head) - len(tail)
    return head + (f"\n... {omitted} bytes omitted ...\n".encode() if omitted > 0 else b"") + tail
