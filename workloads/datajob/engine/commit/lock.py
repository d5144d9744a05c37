"""The lock that prevents two drivers from writing to the same sink.

Each driver has its own file next to the result. It writes the file first and then looks for those of other drivers, so of
two drivers that start at the same time, at least one sees the other. This needs no conditional writes, only a storage that
lists a file as soon as it is written, as local disks, S3, GCS and Azure do.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from datajob.engine.commit.presence import Presence, has_ended
from datajob.errors import DataJobError, SinkBusy, SinkError, StorageUnavailable
from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING

PREFIX = f"{BOOKKEEPING}/lock-"
LOCK_SECONDS = 60.0
"""A lock that was not refreshed for this long has expired."""
REFRESH_SECONDS = 15.0
WAIT_SECONDS, MAX_WAIT_SECONDS = 0.02, 1.0
"""Time before looking again whether drivers that started at the same time have withdrawn; doubled each time."""
READ_PAUSES = (0.05, 0.1, 0.5, 2.0)
"""Time after each failure to read the file of another driver."""


class Lock:
    """Held by the driver that writes to a sink, and refreshed while that driver is alive.

    The lock expires after a minute without a refresh. It is void at once if its process has ended on this machine, or if
    another attempt of the same run or another run of the same DataJob starts: the controller starts it only after the end of
    the earlier driver. Of drivers that start at the same time, one gets the lock.
    """

    def __init__(self, sink: Folder, run_id: str | None, job_id: str | None = None) -> None:
        self._sink = sink
        self._run_id = run_id
        self._job_id = job_id
        self._owner = uuid.uuid4().hex
        self._name = f"{PREFIX}{self._owner}.json"
        self._presence: Presence | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._refresh, daemon=True, name="refresh-lock")

    def __enter__(self) -> Self:
        self._presence = Presence(self._owner)
        try:
            self._write(held=False)
            self._wait_until_alone()
            self._write(held=True)
        except BaseException:
            self._release()
            raise
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self._release()

    def check(self) -> None:
        """Raise SinkBusy if another driver has taken the lock, because this one did not refresh it in time."""
        if not self._sink.exists(self._name):
            raise SinkBusy(
                f"Another run has started to write to {self._sink.path}, because this one was suspended or could not reach the "
                "storage for more than one minute. Wait until the other run ends, stop it, or choose another path."
            )

    def _wait_until_alone(self) -> None:
        """Delete void locks, and raise SinkBusy if there is another one.

        Of several drivers that have not got the lock, the one with the first name waits until the others have withdrawn.
        """
        seconds = WAIT_SECONDS
        while True:
            others = dict(self._others())
            void = [name for name, lock in others.items() if self._is_void(lock)]
            rivals = {name: lock for name, lock in others.items() if name not in void}
            if not rivals:
                return self._sink.delete(void)
            if busy := [lock for name, lock in rivals.items() if lock["held"] or name < self._name]:
                raise _busy(self._sink.path, busy[0])
            time.sleep(seconds)
            seconds = min(2 * seconds, MAX_WAIT_SECONDS)
            self._write(held=False)

    def _others(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The names and the content of the files of other drivers."""
        for name in self._sink.list(BOOKKEEPING):
            if name.startswith(PREFIX) and name != self._name:
                try:
                    yield name, self._read(name)
                except DataJobError:
                    if self._sink.exists(name):  # otherwise, its driver has released it
                        raise

    def _read(self, name: str) -> dict[str, Any]:
        """A lock that its driver may be replacing: some object stores then return parts of both versions."""
        for pause in READ_PAUSES:
            try:
                return dict(json.loads(self._sink.read(name)))
            except (StorageUnavailable, ValueError):
                time.sleep(pause)
        try:
            return dict(json.loads(self._sink.read(name)))
        except ValueError as error:
            raise SinkError(
                f"{self._sink.path}/{name} is not a lock of a run: {error}. Delete it if no run writes to it"
            ) from error

    def _is_void(self, lock: dict[str, Any]) -> bool:
        """Whether a driver that had this lock has ended. Attempts of the same run that start at the same time are rivals."""
        same_run = self._run_id is not None and lock["run_id"] == self._run_id
        same_job = self._job_id is not None and lock["job_id"] == self._job_id
        return (lock["held"] and (same_run or same_job)) or time.time() - lock["time"] > LOCK_SECONDS or has_ended(lock)

    def _write(self, held: bool) -> None:
        lock = {
            "run_id": self._run_id,
            "job_id": self._job_id,
            "held": held,
            "time": time.time(),
            **(self._presence.facts if self._presence else {}),
        }
        self._sink.write(self._name, json.dumps(lock).encode())

    def _refresh(self) -> None:
        while not self._stop.wait(REFRESH_SECONDS):
            with suppress(Exception):  # a short outage of the storage must not end the run
                self._refresh_once()

    def _refresh_once(self) -> None:
        """Write the lock again, unless another driver has taken it."""
        if self._sink.exists(self._name):
            self._write(held=True)

    def _release(self) -> None:
        with suppress(Exception):
            self._sink.delete([self._name])
        if self._presence is not None:
            self._presence.close()


def _busy(path: str, lock: dict[str, Any]) -> SinkBusy:
    return SinkBusy(
        f"Another run is writing to {path} (process {lock['pid']} on {lock['host']}). "
        "Wait until it ends, stop it, or choose another path. If it was killed, its lock expires after one minute."
    )
