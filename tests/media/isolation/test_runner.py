"""A child process that crashes, hangs or exhausts its memory costs one item, and no child is left."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from datajob.errors import InvalidJob, WorkerDied
from datajob.media.errors import MediaError
from datajob.media.isolation import Limits, close, process, run_isolated, runner
from datajob.media.isolation.child import SLOT
from hack.cluster.waiting import SECONDS, wait_for
from tests.support.media_work import Unloadable, Unpicklable, plant


def children() -> set[psutil.Process]:
    """The processes that this process has started and that have not ended, or that it has not waited for."""
    return set(psutil.Process().children())


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    close()
    descriptors, before = psutil.Process().num_fds(), children()
    yield
    close()
    gc.collect()
    assert children() <= before
    assert psutil.Process().num_fds() <= descriptors


def run(*items: bytes, **limits: Any) -> list[Any]:
    """The result of each item; of one that fails, the reason."""
    found = run_isolated(plant, [(item,) for item in items], Limits(**{"memory": 1 << 29, "seconds": 300, **limits}))
    return [result.reason if isinstance(result, MediaError) else result for result in found]


def test_results_are_in_order_and_the_child_is_used_again() -> None:
    assert run() == []
    assert run(b"", b"abc", b"x" * 100) == [[0], [3], [100]]
    [first] = run(b"pid")
    assert run(b"pid") == [first] != [os.getpid()]
    assert run_isolated(plant, [(b"a", b"bc"), (b"x" * 9, b"", b"y")]) == [[1, 2], [9, 0, 1]]


CULPRITS = {
    b"segfault": "decoderCrashed",
    b"exit": "decoderCrashed",
    b"kill": "tooLarge",
    b"raise": "ValueError",
    b"unpicklable": "notPicklable",
    b"eat 40": "tooLarge",
}


@pytest.mark.parametrize("culprit", CULPRITS, ids=bytes.decode)
@pytest.mark.parametrize("at", [0, 100, 199])
def test_an_item_that_ends_the_child_fails_alone(culprit: bytes, at: int) -> None:
    items = [b"x" * n for n in range(200)]
    items[at] = culprit
    expected: list[Any] = [[n] for n in range(200)]
    expected[at] = CULPRITS[culprit]
    assert run(*items) == expected


@pytest.mark.parametrize("culprit", [b"hang", b"block"], ids=["sleeps", "holds the lock of the interpreter"])
def test_an_item_that_takes_too_long_fails_alone(culprit: bytes) -> None:
    assert run(b"abc", culprit, b"de", seconds=2) == [[3], "tooSlow", [2]]


def test_a_child_that_ignores_its_timer_is_ended_by_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.1)
    assert run(b"abc", b"deaf", b"de", seconds=2) == [[3], "tooSlow", [2]]


def test_random_items_have_the_results_of_each_alone() -> None:
    choices = random.Random(1)
    kinds = [*CULPRITS, b"large"]
    items = [choices.choice(kinds) if choices.random() < 0.05 else bytes(choices.choice([0, 10, 100_000])) for _ in range(300)]
    items[150] = bytes(SLOT + 1)
    expected = [CULPRITS.get(item, b"x" * (1 << 22) if item == b"large" else [len(item)]) for item in items]
    assert run(*items) == expected


def test_items_larger_than_the_shared_file_pass_and_its_memory_is_released() -> None:
    sizes = [10, SLOT, SLOT + 1, 3 * SLOT, 10, 5 * SLOT]
    assert run(*(bytes(size) for size in sizes)) == [[size] for size in sizes]
    child = runner._runner.child
    assert child is not None and os.fstat(child._items).st_size == 2 * SLOT


def test_a_child_that_keeps_memory_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    [first] = run(b"pid")
    monkeypatch.setattr(runner, "RENEW_BYTES", 1)
    assert run(b"pid") != [first]


def test_other_limits_replace_the_child() -> None:
    assert run(b"pid", seconds=50) != run(b"pid", seconds=51)


def test_a_child_that_was_killed_while_idle_is_replaced() -> None:
    [pid] = run(b"pid")
    os.kill(pid, signal.SIGKILL)
    assert run(b"abc") == [[3]]


def test_many_threads_use_one_child() -> None:
    found: dict[int, list[Any]] = {}
    before = children()

    def use(thread: int) -> None:
        for _ in range(5):
            found[thread] = run(b"pid", b"segfault" if thread == 3 else b"x" * thread)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert [found[n][1] for n in range(8)] == ["decoderCrashed" if n == 3 else [n] for n in range(8)]
    assert len(children() - before) == 1


def test_the_child_outlives_the_thread_that_started_it() -> None:
    pids: list[Any] = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: pids.extend(run(b"pid")))
        thread.start()
        thread.join(SECONDS)
    assert pids[0] == pids[1]


def test_work_that_cannot_be_pickled_is_refused() -> None:
    with pytest.raises(InvalidJob, match="a step on media cannot be sent to another process"):
        run_isolated(lambda item: item, [(b"",)])
    with pytest.raises(InvalidJob, match="not picklable"):
        run_isolated(Unpicklable(), [(b"",)])  # type: ignore[arg-type]


def test_work_that_the_child_cannot_load_fails_each_item() -> None:
    [found] = run_isolated(Unloadable(), [(b"",)])
    assert str(found).startswith("notLoadable: the step cannot be loaded: ImportError: no such module")
    assert run(b"abc") == [[3]]


def test_a_child_that_cannot_start_is_an_error_with_its_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    with pytest.raises(WorkerDied, match=r"cannot start: .*No such file"):
        run(b"abc")
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no memory for libraries >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(WorkerDied, match="cannot start: no memory for libraries"):
        run(b"abc")


def test_children_that_end_before_they_name_an_item_end_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    started = process.Child._start

    def start_and_end(self: process.Child, setup: Any) -> None:
        started(self, setup)
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait()

    monkeypatch.setattr(process.Child, "_start", start_and_end)
    with pytest.raises(WorkerDied, match=r"ended 3 times: signal SIGKILL"):
        run(b"abc")


def test_a_forked_process_starts_its_own_child() -> None:
    [mine] = run(b"pid")
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            os.write(write, str(run(b"pid")[0]).encode())
            close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    other = int(os.read(read, 100))
    os.close(read)
    os.close(write)
    assert other != mine
    assert run(b"pid") == [mine]


PARENT = """
import sys, os, time
from datajob.media.isolation import run_isolated, Limits
from hack.cluster.waiting import SECONDS, wait_for
from tests.support.media_work import plant
print(run_isolated(plant, [(b"pid",)], Limits(seconds={seconds}))[0], flush=True)
{then}
"""


def parent(then: str, seconds: float = 60) -> tuple[subprocess.Popen[str], int]:
    """A process with a child, and the child's process ID."""
    code = PARENT.format(then=then, seconds=seconds)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    started = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, process_group=0
    )
    assert started.stdout is not None
    return started, int(started.stdout.readline())


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def end(started: subprocess.Popen[str]) -> str:
    """Wait for the end of a process; returns what it wrote to stderr."""
    _, errors = started.communicate(timeout=SECONDS)
    return errors


def test_the_child_ends_with_its_parent() -> None:
    started, child = parent("")
    assert end(started) == ""
    wait_for(lambda: gone(child), "the end of the child", every=0.01)


def test_the_child_ends_when_its_parent_is_killed() -> None:
    started, child = parent("time.sleep(600)")
    started.kill()
    end(started)
    wait_for(lambda: gone(child), "the end of the child", every=0.01)


def test_a_child_that_hangs_ends_when_its_parent_is_killed() -> None:
    work = 'print(0, flush=True); run_isolated(plant, [(b"block",)], Limits(seconds=1.0))'
    started, child = parent(work, seconds=1.0)
    assert started.stdout is not None
    started.stdout.readline()
    started.kill()
    end(started)
    wait_for(lambda: gone(child), "the end of the child", every=0.01)


def test_control_c_ends_the_parent_and_its_child_without_noise_of_the_child() -> None:
    started, child = parent('print(0, flush=True); run_isolated(plant, [(b"hang",)], Limits(seconds=60))')
    assert started.stdout is not None
    started.stdout.readline()
    os.killpg(started.pid, signal.SIGINT)  # what a terminal does
    errors = end(started)
    assert started.returncode and "KeyboardInterrupt" in errors
    assert "isolation/child.py" not in errors, errors
    wait_for(lambda: gone(child), "the end of the child", every=0.01)
