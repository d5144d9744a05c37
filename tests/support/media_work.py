"""Work for the child process that decodes media: some of it crashes, hangs, or exhausts its memory."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import Any

import numpy as np


class Unpicklable:
    """A value that cannot be pickled."""

    def __reduce__(self) -> Any:
        raise TypeError("not picklable")


class Unloadable:
    """Work that can be pickled, but not loaded."""

    def __call__(self, item: tuple[memoryview, ...]) -> None: ...

    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> Any:
    raise ImportError("no such module")


def plant(item: tuple[memoryview, ...]) -> Any:
    """What the item states: its length by default."""
    words = bytes(item[0][:40]).split(b" ")
    match words[0]:
        case b"segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case b"exit":
            os._exit(3)
        case b"hang":
            while True:
                time.sleep(1)
        case b"deaf":
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            time.sleep(600)
        case b"block":  # holds the lock of the interpreter, as a decoder in C does
            re.match("(a+)+$", "a" * 99 + "b")
        case b"eat":
            return len([np.ones(1 << 27, np.uint8) for _ in range(int(words[1]))])
        case b"raise":
            raise ValueError("bad header")
        case b"unpicklable":
            return Unpicklable()
        case b"pid":
            return os.getpid()
        case b"path":
            import sys

            return sys.path
        case b"large":
            return b"x" * (1 << 22)
    return [len(value) for value in item]
