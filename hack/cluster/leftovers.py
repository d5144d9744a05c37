"""Find what a cluster leaves behind: processes, mounts, control groups, network namespaces and files.

It inspects the machine only and shares no code with the cleanup.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.sandbox import CGROUPS, Sandbox


@dataclass(frozen=True)
class Traces:
    """What to look for after a cluster has stopped, recorded while it is running."""

    sandbox: Sandbox
    namespaces: frozenset[str]
    named_networks: str

    @classmethod
    def of(cls, sandbox: Sandbox) -> "Traces":
        """The traces of a running cluster."""
        return cls(sandbox, frozenset(_namespaces(sandbox.init())), _named_networks())

    def left(self) -> list[str]:
        """Everything that is still there, one line each."""
        found = []
        folder = str(self.sandbox.folder)
        for pid in (name for name in os.listdir("/proc") if name.isdigit()):
            command = _read(f"/proc/{pid}/cmdline").replace("\0", " ")
            inside = self.namespaces.intersection(_namespaces(pid)) or self.sandbox.cgroup in _read(f"/proc/{pid}/cgroup")
            if folder in command or inside:
                found.append(f"process {pid} {command}")
        found += [f"mount {line}" for line in _read("/proc/self/mountinfo").splitlines() if folder in line]
        found += [f"cgroup {group}" for group in CGROUPS.glob(f"**/{self.sandbox.cgroup}")]
        if _named_networks() != self.named_networks:
            found.append("a named network namespace")
        if self.sandbox.folder.exists():
            found.append(f"folder {folder}")
        return found


def _namespaces(pid: int | str) -> list[str]:
    """The PID and network namespaces of a process; empty if it has exited."""
    try:
        return [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("pid", "net")]
    except OSError:
        return []


def _named_networks() -> str:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
