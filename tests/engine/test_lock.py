"""The lock of a sink: held as long as its driver is alive, and void as soon as the driver has ended, on every machine."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from datajob.engine.commit import presence
from datajob.engine.commit.lock import LOCK_SECONDS, PREFIX, REFRESH_SECONDS, Lock
from datajob.errors import SinkBusy, SinkError
from datajob.formats.folder import Folder

HOLD = """
import sys, time
from datajob.engine.commit.lock import Lock
from datajob.errors import SinkError
from datajob.formats.folder import Folder
with Lock(Folder(sys.argv[1], SinkError), "held"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def holder(sink: Path, *prefix: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the lock of a sink."""
    process = subprocess.Popen([*prefix, sys.executable, "-c", HOLD, str(sink)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()


def locks(sink: Path) -> list[Path]:
    """The files of all drivers that have or want the lock."""
    return sorted((sink / PREFIX).parent.glob("lock-*.json"))


def only(sink: Path) -> dict[str, Any]:
    """The only lock."""
    [file] = locks(sink)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def age(sink: Path) -> None:
    """Let the only lock be as old as one that has expired."""
    [file] = locks(sink)
    found = json.loads(file.read_text())
    file.write_text(json.dumps({**found, "time": found["time"] - LOCK_SECONDS}))


def take(sink: Path, run_id: str = "other") -> None:
    with Lock(Folder(str(sink), SinkError), run_id):
        assert only(sink)["run_id"] == run_id
    assert not locks(sink)


def is_taken(sink: Path) -> bool:
    try:
        take(sink)
    except SinkBusy:
        return True
    return False


def test_a_driver_that_was_killed_but_not_collected_by_its_parent_holds_no_lock(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert is_taken(tmp_path)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
        os.kill(process.pid, 0)
        take(tmp_path)


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("unshare"), reason="not installed: unshare")
def test_process_ids_of_another_container_are_not_those_of_this_one(tmp_path: Path) -> None:
    with holder(tmp_path, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc") as process:
        assert only(tmp_path)["pid"] == 1  # alive here as well, but another process
        assert is_taken(tmp_path)
        process.kill()
        process.wait()
        deadline = time.monotonic() + 60
        while is_taken(tmp_path):  # until the kernel has ended the child
            assert time.monotonic() < deadline


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("unshare"), reason="not installed: unshare")
def test_the_lock_of_a_container_with_another_network_expires(tmp_path: Path) -> None:
    with holder(tmp_path, "unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc") as process:
        assert is_taken(tmp_path)
        process.kill()
        process.wait()
    with pytest.raises(SinkBusy, match="its lock expires after one minute"):
        take(tmp_path)
    age(tmp_path)
    take(tmp_path)


def race(path: str, drivers: int, run_id: str | None) -> list[str]:
    """What happens to drivers that start at the same time. Each looks at its lock again after all of them have tried."""
    started, tried = threading.Barrier(drivers), threading.Barrier(drivers)

    def drive(number: int) -> str:
        lock = Lock(Folder(path, SinkError), run_id or f"run {number}")
        started.wait(60)
        try:
            lock.__enter__()
        except SinkBusy:
            tried.wait(240)
            return "busy"
        except Exception:
            tried.abort()
            raise
        tried.wait(240)
        try:
            lock.check()
        except SinkBusy:
            return "busy"
        finally:
            lock.__exit__(None, None, None)
        return "held"

    with ThreadPoolExecutor(drivers) as pool:
        ends = [pool.submit(drive, number) for number in range(drivers)]
    raised = [error for end in ends if (error := end.exception()) and not isinstance(error, threading.BrokenBarrierError)]
    if raised:
        raise raised[0]
    return sorted(end.result() for end in ends)


@pytest.mark.parametrize("run_id", [None, "the same run"])
@pytest.mark.parametrize("left", ["nothing", "an expired lock"])
def test_one_of_several_drivers_that_start_at_once_gets_the_lock(tmp_path: Path, run_id: str | None, left: str) -> None:
    for attempt in range(25):
        sink = tmp_path / str(attempt)
        if left != "nothing":
            abandon(sink)
        drivers = 2 + attempt % 3
        assert race(str(sink), drivers, run_id) == ["busy"] * (drivers - 1) + ["held"]
        assert not locks(sink)


@pytest.mark.s3
def test_one_of_several_drivers_that_start_at_once_gets_the_lock_on_s3(bucket: str) -> None:
    for attempt in range(10):
        assert race(f"{bucket}/{attempt}", 3, None) == ["busy", "busy", "held"]
        assert not [name for name in Folder(f"{bucket}/{attempt}").list("_datajob") if name.startswith(PREFIX)]


def abandon(sink: Path) -> None:
    """Leave a lock that has expired."""
    lock = Lock(Folder(str(sink), SinkError), "earlier")
    lock._write(held=True)
    age(sink)


def test_a_driver_whose_lock_another_one_has_taken_writes_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{Lock.__module__}.REFRESH_SECONDS", 0.01)
    with Lock(Folder(str(tmp_path), SinkError), "suspended") as lock:
        lock.check()
        lock._stop.set()
        lock._thread.join()
        age(tmp_path)
        with Lock(Folder(str(tmp_path), SinkError), "other") as other:
            with pytest.raises(SinkBusy, match="Another run has started"):
                lock.check()
            other.check()
            lock._refresh_once()
            assert only(tmp_path)["run_id"] == "other"
    assert not locks(tmp_path)
    assert REFRESH_SECONDS < LOCK_SECONDS / 3


@pytest.mark.skipif(not shutil.which("ps"), reason="not installed: ps")
def test_without_abstract_sockets_the_start_time_identifies_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_linux", lambda: False)
    with holder(tmp_path) as process:
        other = presence.Presence("other")
        facts = {**other.facts, "pid": process.pid, "started": presence._started(process.pid)}
        assert facts["socket"] is None and not presence.has_ended(facts)
        assert presence.has_ended({**facts, "started": "Thu Jan  1 00:00:00 1970"})
        assert not presence.has_ended({**facts, "host": "another machine", "started": "Thu Jan  1 00:00:00 1970"})
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert presence.has_ended(facts)
    assert presence.has_ended(facts)
