"""A process that runs shards for the local executor.

It does not import the main module of the driver, which can be a notebook or a script without `if __name__ == "__main__"`. It
ends with the driver.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import pickle
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from datajob.engine.worker.sharing import Work
from datajob.engine.worker.task import Task, run_shard, run_share


@dataclass(frozen=True)
class Start:
    """What a process has to know before its first work."""

    path: list[str]
    """The `sys.path` of the driver."""
    log_level: int
    task: bytes
    """Pickled; its modules are found on the path."""


@dataclass(frozen=True)
class Ready:
    """The process has loaded the task, or could not."""

    error: str | None = None


@dataclass(frozen=True)
class Logged:
    """A record that user code logged, as the arguments of `logging.makeLogRecord`."""

    record: dict[str, Any]


def main(descriptor: int) -> None:
    """Run what the driver sends until the driver ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the driver too, which ends this process
    with suppress(OSError, ValueError, RuntimeError):
        faulthandler.enable()
    connection = Connection(descriptor)
    received: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_receive, args=(connection, received), daemon=True).start()
    send = _Sender(connection)
    start: Start = received.get()
    sys.path[:] = start.path
    logging.getLogger().addHandler(send)
    logging.getLogger().setLevel(start.log_level)
    try:
        task: Task = pickle.loads(start.task)  # noqa: S301 - sent by the driver
    except Exception as error:  # noqa: BLE001 - the driver then does without processes
        send.message(Ready(f"{type(error).__name__}: {error}"))
        return
    send.message(Ready())
    while True:
        work: Work = received.get()
        send.message(run_shard(task, work.shard) if work.share is None else run_share(task, work.shard, work.share))


def _receive(connection: Connection, received: SimpleQueue[Any]) -> None:
    try:
        while True:
            received.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)


class _Sender(logging.Handler):
    """Sends outcomes and log records to the driver."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._sending = threading.Lock()

    def message(self, message: object) -> None:
        """Send a message."""
        with self._sending:
            self._connection.send(message)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a log record with its text, since its arguments can be of any type."""
        fields = {"name": record.name, "levelno": record.levelno, "levelname": record.levelname, "msg": self.format(record)}
        with suppress(OSError):
            self.message(Logged(fields))
