"""The parent's side of one child process: starting it, sending chunks, receiving results, and how it ended."""

from __future__ import annotations

import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from datajob.errors import WorkerDied
from datajob.media.isolation import frames
from datajob.media.isolation.child import KEEP_MEMORY, MAPPED, ONE_THREAD, SLOT, Chunk, Results, Setup

Buffer = bytes | memoryview
START_SECONDS = 300.0
"""The longest start on a machine with much other load."""
GRACE_SECONDS = 10.0
"""Time beyond the limit of an item after which the parent ends a child that the kernel did not end."""
_WRITEV = 512


class ChildEnded(Exception):
    """The child ended."""


class Child:
    """A child process. One thread uses it at a time."""

    def __init__(self, seconds: float, memory: int) -> None:
        self.seconds = seconds
        self.resident = 0
        """Bytes of memory that it used when it returned its last chunk, without loaded libraries."""
        self.sent = 0
        """Number of items that it was sent."""
        self.late = False
        """Whether the parent ended it because an item took too long."""
        self._chunks = 0
        self._large = False
        self._items, self._cell = _shared_file("items"), _shared_file("cell")
        os.ftruncate(self._items, MAPPED)
        self._mapped = mmap.mmap(self._items, MAPPED)
        life, self._life = os.pipe()
        os.pwrite(self._cell, frames.CELL.pack(frames.NO_ITEM), 0)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the child
        command = [sys.executable, "-c", "from datajob.media.isolation.child import main; main()"]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                pass_fds=(self._items, self._cell, life),
                env={
                    **KEEP_MEMORY,
                    **os.environ,
                    **dict.fromkeys(ONE_THREAD, "1"),
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
                process_group=0,  # Ctrl-C in a terminal reaches the parent only
            )
        except OSError as error:
            self._close_files()
            raise WorkerDied(f"The process that decodes media cannot start: {error}.") from error
        finally:
            os.close(life)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._start(Setup(list(sys.path), self._items, self._cell, life, seconds, memory))

    def _start(self, setup: Setup) -> None:
        try:
            self._write(frames.pack(setup))
            if not self._readable(START_SECONDS):
                raise ChildEnded
            self._read()
        except ChildEnded:
            self.close()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2][-500:]
            self._errors.close()
            raise WorkerDied(
                f"The process that decodes media cannot start: {said or f'exit code {self._process.returncode}'}."
            ) from None
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._process.pid

    def send(self, items: Sequence[Sequence[Buffer]], work: bytes | None) -> int:
        """Send items; returns the number of the first.

        The file holds two chunks of up to SLOT bytes. A larger chunk must be the only one in flight.
        """
        size = sum(len(value) for item in items for value in item)
        offset = 0 if size > SLOT else self._chunks % 2 * SLOT
        self._chunks += 1
        self._large = self._large or size > SLOT
        self._put([value for item in items for value in item], offset, size)
        first, self.sent = self.sent, self.sent + len(items)
        self._write(frames.pack(Chunk(work, first, offset, [tuple(map(len, item)) for item in items])))
        return first

    def _put(self, values: Sequence[Buffer], offset: int, size: int) -> None:
        """Copy values to the file, one after the other."""
        if offset + size > MAPPED:
            _write_all(self._items, values, offset)
            return
        for value in values:
            self._mapped[offset : offset + len(value)] = value
            offset += len(value)

    def receive(self) -> Results:
        """The next results. Raises ChildEnded if the child ended, or was ended because an item took too long."""
        waiting, began = self._progress(), time.monotonic()
        while not self._readable(1.0):
            if (now := self._progress()) != waiting:
                waiting, began = now, time.monotonic()
            elif self.current() != frames.NO_ITEM and time.monotonic() - began > self.seconds + GRACE_SECONDS:
                self.late = True
                self._process.kill()
        found: Results = self._read()
        if found.done:
            self.resident = found.resident
        return found

    def idle(self) -> None:
        """Nothing is in flight: release the memory of a large item."""
        if self._large:
            os.ftruncate(self._items, 0)
            os.ftruncate(self._items, MAPPED)
            self._large = False

    def current(self) -> int:
        """The number of the item that it processes, or NO_ITEM."""
        [number] = frames.CELL.unpack(os.pread(self._cell, frames.CELL.size, 0))
        return int(number)

    def _progress(self) -> bytes:
        """Changes when it starts an item, and when the item makes progress."""
        return os.pread(self._cell, 2 * frames.CELL.size, 0)

    def ended(self) -> int:
        """Wait for its end; returns the return code, negative for a signal."""
        return self._process.wait()

    def close(self) -> None:
        """End it, and release everything. Can be called several times."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._close_files()

    def _close_files(self) -> None:
        self._mapped.close()
        for name in ("_items", "_cell", "_life"):
            if (descriptor := getattr(self, name)) >= 0:
                os.close(descriptor)
                setattr(self, name, -1)

    def _write(self, frame: list[frames.Part]) -> None:
        try:
            frames.write(self._in, frame)
        except BrokenPipeError as error:
            raise ChildEnded from error

    def _read(self) -> Any:
        try:
            return frames.read(self._out)
        except EOFError as error:
            raise ChildEnded from error

    def _readable(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._out, select.POLLIN | select.POLLHUP)
        return bool(poll.poll(seconds * 1000))


def signal_name(code: int) -> str:
    """A return code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _shared_file(name: str) -> int:
    """The descriptor of a file in memory without a name, which ends with its last user."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(f"datajob-{name}")
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor


def _write_all(descriptor: int, buffers: Sequence[Buffer], offset: int) -> None:
    """Write buffers one after the other."""
    for start in range(0, len(buffers), _WRITEV):
        rest = [memoryview(buffer) for buffer in buffers[start : start + _WRITEV] if len(buffer)]
        while rest:
            written = os.pwritev(descriptor, rest, offset)
            offset += written
            while rest and written >= len(rest[0]):
                written -= len(rest.pop(0))
            if written:
                rest[0] = rest[0][written:]
