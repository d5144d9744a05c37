"""The child process: reads chunks of items, calls the work on each item, and sends the results.

The kernel ends it when an item takes too long (SIGALRM), and refuses memory beyond the limit. It exits with its parent.
"""

from __future__ import annotations

import mmap
import os
import pickle
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from datajob.errors import StorageUnavailable, describe_error
from datajob.media.errors import MediaError
from datajob.media.isolation import frames
from datajob.media.isolation.progress import Progress

FLUSH_SECONDS, FLUSH_ITEMS = 0.02, 64
"""A crash costs at most the results of this time, which are computed again."""
SLOT = 8 << 20
"""Bytes of a chunk, except for a chunk of one larger item."""
MAPPED = 2 * SLOT
"""Bytes of the shared file that the child maps: the items of two chunks are read without a copy."""
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Libraries start one thread per core unless these variables are 1."""
KEEP_MEMORY = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(32 << 20))
"""glibc keeps up to this memory for the next item. The kernel would have to clear new pages for each item, which takes about 5%
of the time of steps on audio."""

Work = Callable[[tuple[memoryview, ...]], Any]
"""Processes the encoded values of an item, whose bytes are only valid during the call."""


@dataclass(frozen=True)
class Setup:
    """What a child needs to know when it starts."""

    path: list[str]
    """`sys.path` of the parent."""
    items: int
    """File descriptor of the file with the items."""
    cell: int
    """File descriptor of the file with the number of the current item."""
    life: int
    """A pipe that ends when the parent does."""
    seconds: float
    memory: int


@dataclass(frozen=True)
class Chunk:
    """Items for the child; their bytes are in the shared file."""

    work: bytes | None
    """The pickled work; None: the same as before."""
    first: int
    """Number of the first item."""
    offset: int
    """Where its bytes start in the file."""
    lengths: list[tuple[int, ...]]
    """The sizes of the values of each item."""


@dataclass(frozen=True)
class Results:
    """Results of consecutive items."""

    first: int
    values: list[Any]
    done: bool
    """Whether they are the last of their chunk."""
    resident: int = 0
    """Bytes of memory that the child uses, without those of the libraries that the work has loaded."""


class _Items:
    """The bytes of items in the shared file."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._mapped = mmap.mmap(file, MAPPED, prot=mmap.PROT_READ)

    def values(self, offset: int, lengths: tuple[int, ...]) -> tuple[memoryview, ...]:
        """The values of an item, one after the other in the file."""
        start, size = offset, sum(lengths)
        if offset + size <= MAPPED:
            whole = memoryview(self._mapped)[offset : offset + size]
        else:
            whole = memoryview(bytearray(size))
            while start < offset + size:
                start += os.preadv(self._file, [whole[start - offset :]], start)
        ends = list(accumulate(lengths))
        return tuple(whole[end - length : end].toreadonly() for end, length in zip(ends, lengths, strict=True))


def main() -> None:
    """Process chunks until the parent ends."""
    setup: Setup = frames.read(0)
    sys.path[:] = setup.path
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    threading.Thread(target=_exit_with_parent, args=(setup.life,), daemon=True).start()
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # Linux: end this process first
        file.write("1000")
    out = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    frames.write(out, frames.pack("ready"))
    os.dup2(null, 1)  # what decoders print
    os.dup2(null, 2)
    work: Any = None
    loaded = 0
    items = _Items(setup.items)
    Progress.current = Progress(setup.cell, setup.seconds)
    while True:
        try:
            chunk: Chunk = frames.read(0)
        except EOFError:
            return
        if chunk.work is not None:
            _limit_memory(None)
            before = _resident()
            work = _load(chunk.work)
            loaded += max(0, _resident() - before)
            _limit_memory(setup.memory)
        _process(chunk, work, items, setup, out, loaded)


def _load(pickled: bytes) -> Work:
    """The work, and the libraries that it needs. If it cannot be loaded, it fails each item with the reason."""
    try:
        work: Work = pickle.loads(pickled)  # noqa: S301 - written by our parent
        if prepare := getattr(work, "prepare", None):
            prepare()
    except Exception as error:  # noqa: BLE001 - importing the user's module can raise anything
        reason = MediaError("notLoadable", f"the step cannot be loaded: {describe_error(error)}")

        def work(_: tuple[memoryview, ...]) -> Any:
            raise reason

    return work


def _process(chunk: Chunk, work: Work, items: _Items, setup: Setup, out: int, loaded: int) -> None:
    """Process the items of a chunk. Results are sent together, except when they take long."""
    values: list[Any] = []
    first, offset = chunk.first, chunk.offset
    flushed = time.monotonic()
    for number, lengths in enumerate(chunk.lengths, start=chunk.first):
        os.pwrite(setup.cell, frames.CELL.pack(number), 0)
        signal.setitimer(signal.ITIMER_REAL, setup.seconds)
        values.append(_result(work, items.values(offset, lengths), setup.memory))
        offset += sum(lengths)
        if len(values) >= FLUSH_ITEMS or time.monotonic() - flushed > FLUSH_SECONDS:
            signal.setitimer(signal.ITIMER_REAL, 0)
            frames.write(out, _packed(Results(first, values, done=False)))
            first, values, flushed = number + 1, [], time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.pwrite(setup.cell, frames.CELL.pack(frames.NO_ITEM), 0)
    frames.write(out, _packed(Results(first, values, done=True, resident=_resident() - loaded)))


def _result(work: Work, item: tuple[memoryview, ...], memory: int) -> Any:
    """The result of an item, or the MediaError that fails it."""
    try:
        return work(item)
    except (MediaError, StorageUnavailable) as error:
        return error
    except MemoryError:
        return MediaError("tooLarge", f"processing it needs more than {memory:,} bytes of memory")
    except Exception as error:  # noqa: BLE001 - decoders and user code raise anything
        kind, _, text = describe_error(error).partition(": ")
        return MediaError(kind, text)


def _packed(results: Results) -> list[frames.Part]:
    """The results as a frame. A result that cannot be pickled fails its item."""
    try:
        return frames.pack(results)
    except Exception:  # noqa: BLE001 - pickling runs code of the value
        values = [_picklable(value) for value in results.values]
        return frames.pack(Results(results.first, values, results.done, results.resident))


def _picklable(value: Any) -> Any:
    try:
        pickle.dumps(value)
    except Exception as error:  # noqa: BLE001 - pickling runs code of the value
        return MediaError("notPicklable", f"the result of the step cannot be sent: {describe_error(error)}")
    return value


def _exit_with_parent(life: int) -> None:
    with suppress(OSError):
        os.read(life, 1)
    os._exit(0)


def _limit_memory(memory: int | None) -> None:
    """Let the kernel refuse more than `memory` bytes in addition to those that are in use; None: no limit.

    macOS does not enforce it.
    """
    with suppress(OSError, ValueError):
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = hard if memory is None else used + memory
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _resident() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


if __name__ == "__main__":
    main()
