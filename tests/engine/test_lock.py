"""The lock of a sink: held as long as its driver is alive, and void as soon as the driver has ended, on every machine."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from datajob.engine.commit import presence
from datajob.engine.commit.lock import LOCK, LOCK_SECONDS, Lock
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


def take(sink: Path) -> None:
    with Lock(Folder(str(sink), SinkError), "other"):
        assert json.loads((sink / LOCK).read_text())["run_id"] == "other"


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
        held = json.loads((tmp_path / LOCK).read_text())
        assert held["pid"] == 1  # alive here as well, but another process
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
    held = json.loads((tmp_path / LOCK).read_text())
    (tmp_path / LOCK).write_text(json.dumps({**held, "time": held["time"] - LOCK_SECONDS}))
    take(tmp_path)


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
