"""The lock that prevents two drivers from writing to the same sink."""

from __future__ import annotations

import json
import threading
import time
import uuid
from contextlib import suppress
from types import TracebackType
from typing import Self

from datajob.engine.commit.presence import Presence, has_ended
from datajob.errors import SinkBusy
from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING

LOCK = f"{BOOKKEEPING}/lock.json"
LOCK_SECONDS = 60.0
"""A lock that was not refreshed for this long has expired."""
REFRESH_SECONDS = 15.0


class Lock:
    """Held by the driver that writes to a sink, and refreshed while that driver is alive.

    The lock expires after a minute without a refresh. It is void at once if its process has ended on this machine, or if
    another attempt of the same run or another run of the same DataJob starts: the controller starts it only after the end of
    the earlier driver.
    """

    def __init__(self, sink: Folder, run_id: str | None, job_id: str | None = None) -> None:
        self._sink = sink
        self._run_id = run_id
        self._job_id = job_id
        self._owner = uuid.uuid4().hex
        self._presence: Presence | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._refresh, daemon=True, name="refresh-lock")

    def __enter__(self) -> Self:
        self._refuse_if_held()
        self._presence = Presence(self._owner)
        self._write()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        with suppress(Exception):
            self._sink.delete([LOCK])
        if self._presence is not None:
            self._presence.close()

    def _refuse_if_held(self) -> None:
        if not self._sink.exists(LOCK):
            return
        held = json.loads(self._sink.read(LOCK))
        same_run = self._run_id is not None and held["run_id"] == self._run_id
        same_job = self._job_id is not None and held.get("job_id") == self._job_id
        if same_run or same_job or time.time() - held["time"] > LOCK_SECONDS or has_ended(held):
            return
        raise SinkBusy(
            f"Another run is writing to {self._sink.path} (process {held['pid']} on {held['host']}). "
            "Wait until it ends, stop it, or choose another path. If it was killed, its lock expires after one minute."
        )

    def _write(self) -> None:
        held = {
            "run_id": self._run_id,
            "job_id": self._job_id,
            "owner": self._owner,
            "time": time.time(),
            **(self._presence.facts if self._presence else {}),
        }
        self._sink.write(LOCK, json.dumps(held).encode())

    def _refresh(self) -> None:
        while not self._stop.wait(REFRESH_SECONDS):
            with suppress(Exception):  # a short outage of the storage must not end the run
                self._write()
