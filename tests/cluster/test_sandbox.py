"""Nothing remains of a sandbox, regardless of which process is killed and when."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import packages
from hack.cluster.leftovers import Traces
from hack.cluster.sandbox import ROOT, Sandbox, obstacle, remove_dead
from hack.cluster.waiting import wait_for

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]

# A process that leaves another one to init, as containerd does.
SLEEPERS = {"sleepers": ["sh", "-c", "setsid sleep 1234 & exec sleep 1234"]}

STARTER = """
import sys
from hack.cluster.sandbox import Sandbox
from tests.cluster.test_sandbox import start
start(Sandbox("run"), tied=sys.argv[1] == "tied")
print("started", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("namespaces and cgroups need Linux and root")
    try:
        packages.ensure(packages.SANDBOX)
    except packages.MissingPackages as error:
        pytest.skip(str(error))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    yield
    Sandbox("run").remove()


def start(sandbox: Sandbox, *, tied: bool) -> None:
    with sandbox.claimed() as lock, socket.create_server(("127.0.0.1", 0)) as listener:
        sandbox.make_cgroups()
        sandbox.start(SLEEPERS, lock, listener, tied=tied)


def start_elsewhere(how: str) -> subprocess.Popen[str]:
    """A process that has started the sandbox, and waits to be killed."""
    command = [sys.executable, "-c", STARTER, how]
    starter = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert starter.stdout and starter.stdout.readline() == "started\n"
    return starter


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_removing_a_live_run_leaves_nothing() -> None:
    run = Sandbox("run")
    start(run, tied=True)
    traces = Traces.of(run)
    wait_for(lambda: any("sleep 1234" in line for line in traces.left()), "a process")
    run.remove()
    assert traces.left() == []


def test_a_tied_run_ends_with_its_parent_and_the_next_start_cleans_it_up() -> None:
    starter = start_elsewhere("tied")
    run = Sandbox("run")
    traces = Traces.of(run)
    assert remove_dead() == [], "a live run was taken for a dead one"
    kill(starter)
    wait_for(lambda: not run.alive(), "the end of the run")
    assert remove_dead() == ["run"]
    assert traces.left() == []


def test_a_run_that_is_not_tied_outlives_its_parent_and_can_be_removed_by_another_process() -> None:
    starter = start_elsewhere("free")
    run = Sandbox("run")
    traces = Traces.of(run)
    kill(starter)
    assert run.alive()
    assert remove_dead() == []
    run.remove()
    assert traces.left() == []


def test_a_run_whose_init_process_is_killed_is_dead_and_is_cleaned_up() -> None:
    run = Sandbox("run")
    start(run, tied=True)
    traces = Traces.of(run)
    os.kill(run.init(), signal.SIGKILL)
    wait_for(lambda: not run.alive(), "the end of the run")
    assert remove_dead() == ["run"]
    assert traces.left() == []


def test_a_run_in_preparation_is_not_removed_while_its_parent_is_running() -> None:
    run = Sandbox("run")
    with run.claimed():
        assert remove_dead() == []
    assert remove_dead() == ["run"]
    assert not run.folder.exists()


def test_a_later_process_with_the_same_pid_is_not_mistaken_for_the_run() -> None:
    run = Sandbox("run")
    with run.claimed():
        (run.folder / "init.json").write_text(f'{{"pid": {os.getpid()}, "started": 1}}')
    assert not run.alive()
    run.remove()
    assert not run.folder.exists()


def test_a_process_that_exits_is_restarted() -> None:
    run = Sandbox("run")
    start(run, tied=True)
    sleeping = [*run.enter(), "pgrep", "--full", "^sleep 1234"]

    def sleepers() -> list[str]:
        return subprocess.run(sleeping, capture_output=True, text=True).stdout.split()

    before = wait_for(lambda: sleepers() if len(sleepers()) == 2 else [], "both sleepers")
    subprocess.run([*run.enter(), "kill", "-KILL", *before], check=True)

    def both_are_new() -> bool:
        after = sleepers()
        return len(after) == 2 and not set(before) & set(after)

    wait_for(both_are_new, "both sleepers again")


def test_a_machine_without_namespaces_is_detected() -> None:
    assert obstacle() == ""
    ask = [sys.executable, "-c", "from hack.cluster.sandbox import obstacle; print(obstacle())"]
    without_capabilities = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *ask]
    said = subprocess.run(without_capabilities, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "namespaces" in said


def test_a_run_that_cannot_start_reports_the_reason() -> None:
    run = Sandbox("run")
    with run.claimed() as lock, socket.create_server(("127.0.0.1", 0)) as listener:
        (run.folder / "var").write_text("in the way")
        with pytest.raises(RuntimeError, match="NotADirectoryError"):
            run.start(SLEEPERS, lock, listener, tied=True)
