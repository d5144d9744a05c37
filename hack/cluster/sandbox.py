"""Run the processes of a cluster in separate namespaces, so that the kernel cleans them up.

A sandbox is one process: `init`, the first process of new PID, mount and network namespaces. When it dies for any reason, the
kernel kills every process in the PID namespace, including pods, and removes the mounts, links, addresses and firewall rules.
Only a run folder and empty cgroups remain, which `remove` deletes.

A run folder contains `lock` (held while the cluster is prepared or running), `init.json` (the process to kill) and the files of
the cluster.
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
PODS_WEIGHT = 8
"""CPU time of all pods together, compared with that of one other process. By default, it would be the same."""
CGROUPS = Path("/sys/fs/cgroup")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

# Only used to reap the processes. A sandbox ends when its init process ends.
_children: dict[str, subprocess.Popen[bytes]] = {}


def runs() -> Path:
    """The parent of all run folders."""
    return cache() / "runs"


def obstacle() -> str:
    """Why namespaces or control groups cannot be created on this machine, for example in a container. Empty if they can."""
    if subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True).returncode:
        return "this machine does not allow new namespaces (is it a container?)"
    groups = CGROUPS if (CGROUPS / "cgroup.controllers").exists() else CGROUPS / "cpu"
    return "" if os.access(groups, os.W_OK) else f"the control groups in {groups} are not writable (is this a container?)"


def start_time(pid: int | str) -> int:
    """Start time of a process in ticks since boot, to distinguish it from a later one with the same PID. 0 if not running."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if state in "ZX" else int(fields[18])


@dataclass(frozen=True)
class Sandbox:
    """A handle for one run, which is named like its folder. It holds no resources; any process can create one."""

    name: str

    @property
    def folder(self) -> Path:
        return runs() / self.name

    @property
    def cgroup(self) -> str:
        """The control group of the pods of this run, in every hierarchy."""
        return f"datajob-{self.name}"

    def init(self) -> int:
        """The PID of the init process, or 0 if it is not running."""
        try:
            known = json.loads((self.folder / "init.json").read_text())
        except FileNotFoundError:
            return 0
        return int(known["pid"]) if known["started"] == start_time(known["pid"]) else 0

    def alive(self) -> bool:
        """Whether the run is running or being prepared."""
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
        """Create a run folder. While the returned lock is open, the run is not considered dead."""
        for path, remedy in (
            (self.folder.resolve(), "set XDG_CACHE_HOME"),
            (Path(sys.executable), "move the checkout to another folder"),
        ):
            if any(path.is_relative_to(hidden) for hidden in ("/run", "/var")):
                raise RuntimeError(f"a cluster cannot use {path}, because it has its own /run and /var; {remedy}")
        with locked("runs"):
            self.folder.mkdir(parents=True)
            lock = (self.folder / "lock").open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
        with lock:
            yield lock

    def start(self, processes: Mapping[str, Sequence[str]], lock: IO[str], listener: socket.socket, *, tied: bool) -> None:
        """Start the processes in new namespaces. Connections to the listener reach the API server inside.

        A tied sandbox ends with the process that started it, even if that process is killed. Others run until `remove`. For the
        kernel, the parent is the starting thread, so call this from the main thread.
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
        wait_for(lambda: self.init() or child.poll() is not None, f"the start of {self.name}")
        if not self.init():
            raise RuntimeError(f"the run {self.name} did not start:\n{(self.folder / 'init.log').read_text()}")

    def enter(self) -> list[str]:
        """The prefix of a command that runs it inside the sandbox."""
        pid = self.init()
        if not pid:
            raise RuntimeError(f"the run {self.name} is not running")
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(pid), *user, "--mount", "--net", "--pid", "--"]

    def make_cgroups(self) -> None:
        """Create the control groups for the pods. The kubelet does not start without them."""
        if (CGROUPS / "cgroup.controllers").exists():
            groups = {CGROUPS / self.cgroup}
        else:
            groups = {hierarchy.resolve() / self.cgroup for hierarchy in CGROUPS.iterdir() if hierarchy.is_dir()}
        for group in groups:
            group.mkdir()
            for setting in ("cpuset.cpus", "cpuset.mems"):
                if (group / setting).exists() and (group.parent / setting).exists():
                    (group / setting).write_text((group.parent / setting).read_text())
            for setting, default in (("cpu.shares", 1024), ("cpu.weight", 100)):
                if (group / setting).exists():
                    (group / setting).write_text(str(default * PODS_WEIGHT))

    def remove(self) -> None:
        """Kill the run and delete everything that it left behind. Does nothing if there is no such run."""
        wait_for(self._kill, f"the end of the run {self.name}")
        if child := _children.pop(self.name, None):
            child.wait(60)
        for group in (*CGROUPS.glob(self.cgroup), *CGROUPS.glob(f"*/{self.cgroup}")):
            wait_for(partial(_remove_cgroup, group), f"the end of {group}")
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _kill(self) -> bool:
        if pid := self.init():
            os.kill(pid, signal.SIGKILL)
        return not self.alive()


def remove_dead() -> list[str]:
    """Delete what dead runs left behind. Returns their names."""
    with locked("runs"):
        dead = [run for run in every() if not run.alive()]
        for run in dead:
            run.remove()
    return [run.name for run in dead]


def every() -> list[Sandbox]:
    """All runs with a folder, running or dead."""
    return [Sandbox(folder.name) for folder in sorted(runs().glob("*")) if folder.is_dir()]


def _remove_cgroup(group: Path) -> bool:
    """Delete a control group and its children. False while one of them still contains a process."""
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            os.rmdir(folder)
    except OSError:
        return False
    return not group.exists()
