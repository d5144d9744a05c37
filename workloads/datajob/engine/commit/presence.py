"""Whether the driver that holds a lock has ended, judged from the same machine.

A process ID is not enough: a process that ended keeps its ID until its parent collects it (a zombie), the system gives the ID
to another process later, and each container counts its own IDs. On Linux, a driver binds an abstract socket instead: the kernel
releases the name when the process ends for any reason, and all containers of a Pod see it, because they share a network.
"""

from __future__ import annotations

import errno
import os
import platform
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NETWORK = Path("/proc/self/ns/net")


class Presence:
    """Shows to other processes of the machine that this one has not ended."""

    def __init__(self, name: str) -> None:
        """`name` must be unique."""
        self._socket = _bound(name)
        network = _network()
        self.facts: dict[str, Any] = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "socket": name if self._socket is not None and network is not None else None,
            "network": network,
            "started": None if _linux() else _started(os.getpid()),
        }
        """What `has_ended` has to know."""

    def close(self) -> None:
        """Release the name."""
        if self._socket is not None:
            self._socket.close()


def has_ended(facts: dict[str, Any]) -> bool:
    """True if the process with these facts has certainly ended; False if it is alive, or if this cannot be known here."""
    if facts.get("socket") is not None and facts.get("network") == _network():
        return _is_free(facts["socket"])
    if _linux() or facts["host"] != socket.gethostname() or not facts.get("started"):
        return False  # on Linux: another network, whose process IDs can be those of another container
    now = _started(facts["pid"])
    return now is not None and now != facts["started"]


def _linux() -> bool:
    return platform.system() == "Linux"


def _network() -> str | None:
    """The network namespace: the boot of the kernel and the namespace in it. None if the system has none."""
    with suppress(OSError):
        return f"{_BOOT.read_text().strip()}/{os.readlink(_NETWORK)}"
    return None


def _bound(name: str) -> socket.socket | None:
    """A socket with an abstract name. None if the system has no such names."""
    if not _linux():
        return None
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        found.bind(f"\0datajob/{name}")
    except OSError:
        found.close()
        return None
    return found


def _is_free(name: str) -> bool:
    """True if no process has the name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(f"\0datajob/{name}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _started(pid: int) -> str | None:
    """When a process started, as text; `ended` for a zombie and for a process that does not exist; None if it is unknown."""
    try:
        command = ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
        found = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return None
    state, _, started = found.stdout.strip().partition(" ")
    if not state:
        return "ended" if found.returncode == 1 and not found.stderr else None
    return "ended" if state.startswith("Z") else started.strip()
