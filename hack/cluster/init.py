"""The first process of a sandbox: sets up mounts and network, then keeps the processes of the plan running.

`sandbox` starts it. Like any init process, it reaps orphans. It restarts processes that exit, so the order in which the
components of a cluster start does not matter.
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
    """Run as the init process for the cluster in `folder` until killed."""
    plan = json.loads((folder / "plan.json").read_text())
    pid = os.readlink("/proc/self")  # /proc still shows the PID namespace of the machine
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
    """Hide /run, /var and the processes of the machine from the node."""
    for name in ("lib", "log", "tmp"):
        (folder / "var" / name).mkdir(parents=True)
    (folder / "var" / "run").symlink_to("/run")
    _run("mount", "-t", "proc", "proc", "/proc")
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")
    _run("mount", "--bind", str(folder / "var"), "/var")
    _run("mount", "--make-rshared", "/")  # the kubelet requires its mounts to propagate to pods


def _connect() -> None:
    """Set up the loopback interface, and a bridge with the address of the node that is not connected to anything."""
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "uplink", "type", "bridge")
    _run("ip", "address", "add", f"{NODE_ADDRESS}/24", "dev", "uplink")
    _run("ip", "link", "set", "uplink", "up")
    _run("ip", "route", "add", "default", "via", GATEWAY, "dev", "uplink")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _keep(processes: dict[str, list[str]], logs: Path, listener: int) -> None:
    """Start all processes, reap exited ones and restart those of the plan."""
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
                print(f"{name} exited with {os.waitstatus_to_exitcode(status)}; restarting", flush=True)
                due[name] = time.monotonic() + RESTART_SECONDS


def _spawn(command: list[str], log: int, listener: int | None) -> int:
    """Start a process without subprocess.Popen, which would wait for it. The relay receives its listener as standard input."""
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
