"""The first process of a sandbox: makes its mounts and its network, then keeps the processes of the plan running.

It runs inside; `sandbox` starts it and is all that the rest of the package knows of it. Like any init it reaps orphans, and it
starts a process again when that has ended, so that the order in which the parts of a cluster come up does not matter.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hack.cluster.network import GATEWAY, NODE_ADDRESS
from hack.cluster.sandbox import start_time

RESTART_SECONDS = 1.0


def main(folder: Path) -> None:
    """Be the init of the run in that folder, until somebody kills this process."""
    plan = json.loads((folder / "plan.json").read_text())
    pid = os.readlink("/proc/self")  # the old /proc still counts as the machine does
    started = start_time(pid)
    _mount(folder)
    _connect()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    for descriptor in (plan["lock"], plan["listener"]):
        os.set_inheritable(descriptor, False)
    relay = [sys.executable, "-m", "hack.cluster.relay"]
    (folder / "init.json.partial").write_text(json.dumps({"pid": int(pid), "started": started}))
    (folder / "init.json.partial").rename(folder / "init.json")
    _keep({"relay": relay, **plan["processes"]}, folder / "log", plan["listener"])


def _mount(folder: Path) -> None:
    """Hide from the node what the machine keeps below /run and /var, and the machine's processes."""
    for name in ("lib", "log", "tmp"):
        (folder / "var" / name).mkdir(parents=True)
    (folder / "var" / "run").symlink_to("/run")
    _run("mount", "-t", "proc", "proc", "/proc")
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")
    _run("mount", "--bind", str(folder / "var"), "/var")
    _run("mount", "--make-rshared", "/")  # the kubelet wants its mounts to reach the pods


def _connect() -> None:
    """A loopback, and a bridge that has the node's address and leads nowhere."""
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "uplink", "type", "bridge")
    _run("ip", "address", "add", f"{NODE_ADDRESS}/24", "dev", "uplink")
    _run("ip", "link", "set", "uplink", "up")
    _run("ip", "route", "add", "default", "via", GATEWAY, "dev", "uplink")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _keep(processes: dict[str, list[str]], logs: Path, listener: int) -> None:
    """Start every process, reap whatever ends, start again what should not have ended."""
    logs.mkdir()
    due = dict.fromkeys(processes, time.monotonic())
    running: dict[int, str] = {}
    while True:
        now = time.monotonic()
        for name in [name for name, when in due.items() if when <= now]:
            del due[name]
            with (logs / f"{name}.log").open("ab") as log:
                running[_spawn(processes[name], log.fileno(), listener if name == "relay" else None)] = name
        timeout = min(due.values(), default=now + 3600) - time.monotonic()
        signal.sigtimedwait({signal.SIGCHLD}, max(0.0, timeout))
        for pid, status in _ended():
            if name := running.pop(pid, ""):
                print(f"{name} ended with {os.waitstatus_to_exitcode(status)}; starting it again", flush=True)
                due[name] = time.monotonic() + RESTART_SECONDS


def _spawn(command: list[str], log: int, listener: int | None) -> int:
    """Start a process without an object that would want to wait for it; the relay finds its listener as its standard input."""
    files = [(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    if listener is not None:
        files.append((os.POSIX_SPAWN_DUP2, listener, 0))
    return os.posix_spawnp(command[0], command, os.environ, file_actions=files, setsid=True, setsigmask=())


def _ended() -> list[tuple[int, int]]:
    ended = []
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(found)
    except ChildProcessError:
        pass
    return ended


if __name__ == "__main__":
    main(Path(sys.argv[1]))
