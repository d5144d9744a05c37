"""Runs work on items in the child of this process, and replaces the child when it ends.

The child names each item before it starts. When the child ends, the item that it named last fails, and those without a result
are sent again to another child.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from datajob.errors import InvalidJob, WorkerDied, describe_error
from datajob.media.errors import MediaError
from datajob.media.isolation.child import SLOT, Work
from datajob.media.isolation.process import Buffer, Child, ChildEnded, signal_name

Item = Sequence[Buffer]
"""The encoded values of an item."""
_Chunk = list[tuple[int, Item]]

CHUNK_ITEMS = 64
IN_FLIGHT = 2
"""Chunks that the child has at a time: one that it processes, and the next."""
RENEW_BYTES = 1 << 30
"""A child that uses more memory between two calls is replaced: decoders keep memory."""
MAX_IDLE_ENDS = 3
"""Children that may end in a row without naming an item or returning a result."""
OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""Signals that another process sends: an item fails when they end its child for the second time."""


@dataclass(frozen=True)
class Limits:
    """What an item can use before it fails."""

    seconds: float = 60.0
    """Wall-clock time."""
    memory: int = 2 << 30
    """Bytes of memory in addition to those of the idle child."""

    def fitting(self) -> Limits:
        """These limits, with at most half of the memory of the machine or container."""
        return Limits(self.seconds, min(self.memory, _total_memory() // 2))


DEFAULT = Limits()


class _Runner:
    """The child of this process. One thread uses it at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.owner = os.getpid()
        self.child: Child | None = None
        self._limits = DEFAULT
        self._work: bytes | None = None
        """The work that the child has."""

    def run(self, work: bytes, items: Iterable[Item], limits: Limits) -> list[Any]:
        """The result of each item, or its MediaError."""
        with self.lock:
            if limits != self._limits or (self.child is not None and self.child.resident > RENEW_BYTES):
                self.close()
            self._limits = limits
            try:
                return _Call(self, work, items).results()
            except BaseException:  # such as Ctrl-C: the state of the child is unknown
                self.close()
                raise

    def ready(self) -> Child:
        """The child, started if there is none."""
        if self.child is None:
            self.child = Child(self._limits.seconds, self._limits.memory)
            self._work = None
        return self.child

    def unless_known(self, work: bytes) -> bytes | None:
        """The work, or None if the child has it."""
        if work == self._work:
            return None
        self._work = work
        return work

    def close(self) -> None:
        """End the child."""
        child, self.child = self.child, None
        if child is not None and self.owner == os.getpid():
            child.close()


class _Call:
    """The items of one call, of which only those in flight are held."""

    def __init__(self, runner: _Runner, work: bytes, items: Iterable[Item]) -> None:
        self._runner = runner
        self._work = work
        self._coming = _chunks(enumerate(items))
        self._again: deque[_Chunk] = deque()
        """Items whose child ended before it returned a result."""
        self._next: _Chunk | None = None
        self._flying: deque[tuple[int, _Chunk]] = deque()
        """The number of the first item of each chunk in the child, and the items by position."""
        self._found: dict[int, Any] = {}
        self._suspects: set[int] = set()
        self._idle_ends = 0

    def results(self) -> list[Any]:
        """The results in the order of the items."""
        while self._flying or self._waiting() is not None:
            child = self._runner.ready()
            try:
                self._send(child)
                self._receive(child)
            except ChildEnded:
                self._replace(child)
        if self._runner.child is not None:
            self._runner.child.idle()
        return [self._found[position] for position in range(len(self._found))]

    def _waiting(self) -> _Chunk | None:
        """The next chunk to send, which is not removed; None if there are no more."""
        if self._next is None:
            self._next = self._again.popleft() if self._again else next(self._coming, None)
        return self._next

    def _send(self, child: Child) -> None:
        while len(self._flying) < IN_FLIGHT and (chunk := self._waiting()) is not None:
            if self._flying and (_is_large(chunk) or _is_large(self._flying[-1][1])):
                return
            self._next = None
            self._flying.append((child.sent, chunk))
            child.send([item for _, item in chunk], self._runner.unless_known(self._work))

    def _receive(self, child: Child) -> None:
        results = child.receive()
        first, chunk = self._flying[0]
        start = results.first - first
        positions = [position for position, _ in chunk[start : start + len(results.values)]]
        self._found.update(zip(positions, results.values, strict=True))
        self._idle_ends = 0
        if results.done:
            self._flying.popleft()

    def _replace(self, child: Child) -> None:
        """Fail the item that the child named last, and send the others again."""
        named, code = child.current(), child.ended()
        self._runner.close()
        flying = [(first + at, position) for first, chunk in self._flying for at, (position, _) in enumerate(chunk)]
        culprit = dict(flying).get(named)
        if culprit is None or culprit in self._found:
            self._idle_ends += 1
            if self._idle_ends >= MAX_IDLE_ENDS:
                raise WorkerDied(f"The process that decodes media ended {MAX_IDLE_ENDS} times: {signal_name(code)}.")
        elif -code in OUTSIDE and not child.late and culprit not in self._suspects:
            self._suspects.add(culprit)
        else:
            self._found[culprit] = _reason(code, child)
        rest = [one for _, chunk in self._flying for one in chunk if one[0] not in self._found]
        self._flying.clear()
        if self._next is not None:
            rest, self._next = rest + self._next, None
        self._again = deque([*_chunks(rest), *self._again])


def _reason(code: int, child: Child) -> MediaError:
    """Why the item fails whose processing ended the child."""
    if child.late or -code == signal.SIGALRM:
        return MediaError("tooSlow", f"processing it takes more than {child.seconds:g} seconds")
    if -code == signal.SIGKILL:
        return MediaError("tooLarge", "the process that decoded it was killed, most likely for lack of memory")
    return MediaError("decoderCrashed", f"the process that decoded it ended with {signal_name(code)}")


def _chunks(items: Iterable[tuple[int, Item]]) -> Iterator[_Chunk]:
    """Items that are sent together, with their positions."""
    chunk: _Chunk = []
    held = 0
    for position, item in items:
        size = _size(item)
        if chunk and (len(chunk) >= CHUNK_ITEMS or held + size > SLOT):
            yield chunk
            chunk, held = [], 0
        chunk.append((position, item))
        held += size
    if chunk:
        yield chunk


def _is_large(chunk: _Chunk) -> bool:
    return sum(_size(item) for _, item in chunk) > SLOT


def _size(item: Item) -> int:
    return sum(map(len, item))


_runner = _Runner()


def run_isolated(work: Work, items: Iterable[Item], limits: Limits | None = None) -> list[Any]:
    """The result of `work` for each item, which is a tuple of encoded values; or the MediaError that fails the item.

    `work` and its results must be picklable. Items are taken from an iterator as the child can take them, and released when
    their results are there. The child is started at the first item and used again. Raises InvalidJob if `work` cannot be
    pickled, and WorkerDied if no child can be started.
    """
    try:
        pickled = pickle.dumps(work, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise InvalidJob(f"a step on media cannot be sent to another process: {describe_error(error)}") from error
    return _current().run(pickled, items, (limits or DEFAULT).fitting())


def close() -> None:
    """End the child of this process, if there is one. The next call starts another one."""
    runner = _current()
    with runner.lock:
        runner.close()


def child_pid() -> int | None:
    """Process ID of the child of this process."""
    child = _current().child
    return None if child is None else child.pid


def _current() -> _Runner:
    """The runner of this process: a forked process has a copy of its parent's, which it must not use."""
    global _runner
    if _runner.owner != os.getpid():
        _runner = _Runner()
    return _runner


def _total_memory() -> int:
    """Bytes of memory of the container, or of the machine."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError), open("/sys/fs/cgroup/memory.max") as file:
        total = min(total, int(file.read()))
    return total


atexit.register(close)
