"""What this machine, or this container, offers to processes that the driver starts."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

PROCESS_BYTES = 512 << 20
"""Minimum memory to plan for a process."""
MEMORY_SHARE = 0.7
"""Share of the available memory that processes may use."""
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")


def processes(bytes_each: int) -> int:
    """Number of processes that the cores and the memory of this machine suffice for."""
    return max(1, min(cores(), int(available_memory() * MEMORY_SHARE / max(PROCESS_BYTES, bytes_each))))


def cores() -> int:
    """Cores that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = _QUOTA.read_text().split()
        count = min(count, max(1, int(quota) // int(period)))
    return count


def available_memory() -> int:
    """Bytes of memory that are available; half of the memory where that is unknown."""
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    with suppress(OSError, ValueError, KeyError):
        lines = (line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(dict(lines)["MemAvailable"].split()[0]) << 10
    with suppress(OSError, ValueError):
        available = min(available, int(_LIMIT.read_text()) - int(_USED.read_text()))
    return available


def used_memory() -> int:
    """Maximum resident bytes of this process so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10
