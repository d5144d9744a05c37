"""Runs a cluster's processes in namespaces of their own, so that the kernel itself clears them away.

A sandbox is one process: `init`, the first of new pid, mount and network namespaces. When it dies, however it dies, the kernel
kills every process of the pid namespace, pods included, and with the last of them the mounts, links, addresses and firewall
rules are gone. What outlives that is a run folder and empty cgroups: `remove` takes them away, also those of a dead run.

A run folder holds `lock` (held while somebody prepares or is the run), `init.json` (whom to kill) and what the cluster writes.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from hack.cluster.build import cache, locked
from hack.cluster.waiting import wait_for

ROOT = Path(__file__).parents[2]
CGROUPS = Path("/sys/fs/cgroup")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

# Kept only to reap them: a sandbox ends when its init does.
_children: dict[str, subprocess.Popen[bytes]] = {}


def runs() -> Path:
    """The folder that has one folder for each run."""
    return cache() / "runs"


def obstacle() -> str:
    """Why this machine lets nobody have namespaces and control groups, as in a container; empty where it does."""
    if subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True).returncode:
        return "this machine allows no new namespaces (a container?)"
    groups = CGROUPS if (CGROUPS / "cgroup.controllers").exists() else CGROUPS / "cpu"
    return (
        "" if os.access(groups, os.W_OK) else f"this machine's control groups below {groups} cannot be written (a container?)"
    )


def start_time(pid: int | str) -> int:
    """When a process began, in ticks since boot; 0 where there is none or it is a zombie. Tells a process from a later one."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if state in "ZX" else int(fields[18])


@dataclass(frozen=True)
class Sandbox:
    """One run, named like its folder. Only a handle: it holds nothing, and any process may make one."""

    name: str

    @property
    def folder(self) -> Path:
        return runs() / self.name

    @property
    def cgroup(self) -> str:
        """The group that has the pods of this run, in every hierarchy."""
        return f"datajob-{self.name}"

    def init(self) -> int:
        """The process id of the sandbox's first process, 0 where it does not live."""
        try:
            known = json.loads((self.folder / "init.json").read_text())
        except FileNotFoundError:
            return 0
        return int(known["pid"]) if known["started"] == start_time(known["pid"]) else 0

    def alive(self) -> bool:
        """Whether the run lives, or somebody who lives is preparing it."""
        if self.init():
            return True
        try:
            with (self.folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @contextmanager
    def claimed(self) -> Iterator[IO[str]]:
        """A fresh run folder, which nobody takes for a dead run's while the lock that this gives is open."""
        for path, cure in ((self.folder.resolve(), "set XDG_CACHE_HOME"), (Path(sys.executable), "put the checkout elsewhere")):
            if any(path.is_relative_to(hidden) for hidden in ("/run", "/var")):
                raise RuntimeError(f"a cluster cannot use {path}: /run and /var are others inside; {cure}")
        with locked("runs"):
            self.folder.mkdir(parents=True)
            lock = (self.folder / "lock").open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
        with lock:
            yield lock

    def start(self, processes: Mapping[str, Sequence[str]], lock: IO[str], listener: socket.socket, *, tied: bool) -> None:
        """Start the processes in new namespaces; what connects to the listener reaches the API server inside.

        A tied sandbox dies with the process that started it, even when that one is killed; any other lives until `remove`.
        (To the kernel it is the thread that starts it: let that be the main one.)
        """
        plan = {"processes": processes, "lock": lock.fileno(), "listener": listener.fileno()}
        (self.folder / "plan.json").write_text(json.dumps(plan, default=list))
        command = ["setpriv", "--pdeathsig", "KILL"] if tied else []
        command += ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        if os.geteuid() != 0:
            command += ["--user", "--map-root-user"]
        command += [sys.executable, "-m", "hack.cluster.init", str(self.folder)]
        with (self.folder / "init.log").open("wb") as log:
            _children[self.name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock.fileno(), listener.fileno()),
                start_new_session=True,
            )
        child = _children[self.name]
        wait_for(lambda: self.init() or child.poll() is not None, f"the start of {self.name}", 30)
        if not self.init():
            raise RuntimeError(f"the run {self.name} did not start:\n{(self.folder / 'init.log').read_text()}")

    def enter(self) -> list[str]:
        """The words before a command that run it inside, beside the cluster's own processes."""
        pid = self.init()
        if not pid:
            raise RuntimeError(f"the run {self.name} does not live")
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(pid), *user, "--mount", "--net", "--pid", "--"]

    def make_cgroups(self) -> None:
        """The groups that the kubelet is to put its pods below; without them it refuses to start."""
        if (CGROUPS / "cgroup.controllers").exists():
            (CGROUPS / self.cgroup).mkdir()
            return
        for group in {hierarchy.resolve() / self.cgroup for hierarchy in CGROUPS.iterdir() if hierarchy.is_dir()}:
            group.mkdir()
            for setting in ("cpuset.cpus", "cpuset.mems"):
                if (group / setting).exists():
                    (group / setting).write_text((group.parent / setting).read_text())

    def remove(self) -> None:
        """Kill whatever lives of the run and take away all that it left; where there is nothing, do nothing."""
        wait_for(self._kill, f"the end of the run {self.name}", 60)
        if child := _children.pop(self.name, None):
            child.wait(60)
        for group in (*CGROUPS.glob(self.cgroup), *CGROUPS.glob(f"*/{self.cgroup}")):
            wait_for(partial(_remove_cgroup, group), f"the end of {group}", 60)
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _kill(self) -> bool:
        if pid := self.init():
            os.kill(pid, signal.SIGKILL)
        return not self.alive()


def remove_dead() -> list[str]:
    """Take away what runs left that have ended without `remove`, and name them."""
    with locked("runs"):
        dead = [run for run in every() if not run.alive()]
        for run in dead:
            run.remove()
    return [run.name for run in dead]


def every() -> list[Sandbox]:
    """All runs that have a folder, alive or dead."""
    return [Sandbox(folder.name) for folder in sorted(runs().glob("*")) if folder.is_dir()]


def _remove_cgroup(group: Path) -> bool:
    """Remove a group with those below it; false while a dying process still is in one of them."""
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            os.rmdir(folder)
    except OSError:
        return False
    return not group.exists()
