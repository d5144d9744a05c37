"""Memory of a process with a model on the CPU."""

from __future__ import annotations

import ctypes

KEEP = 1 << 30
"""Bytes: freed memory up to this size is used again."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Parameters of `mallopt` (malloc.h)."""


def reuse_freed_memory() -> None:
    """Let the allocator of glibc use the memory of freed tensors again instead of returning it to the kernel.

    A batch allocates and frees thousands of tensors of up to 30 MB. The kernel clears the memory of each, which took a
    fifth of the processor time. Threads that start later share one heap. Other C libraries remain as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, KEEP), (_M_TRIM_THRESHOLD, KEEP)):
            mallopt(parameter, value)
