"""Processes on this machine that run the shards of a stage, if the first seconds show that its steps are slow.

They share slow shards: each process works on chunks of rows whose results are stored as checkpoints.
"""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.events import Note, Working
from datajob.engine.executors import local_worker
from datajob.engine.executors.advance import SECONDS, Advance
from datajob.engine.executors.base import Outcomes
from datajob.engine.executors.local_worker import Logged, Ready, Start
from datajob.engine.executors.machine import cores
from datajob.engine.worker.probation import describe_end, run_on_probation, worker_died
from datajob.engine.worker.sharing import Shared, Slow, Work, shares
from datajob.engine.worker.task import ShardFailure, Task

TRIES = 3
"""Maximum number of processes that try a shard. Then it runs on probation if failed rows are allowed; otherwise, it fails."""


@dataclass(eq=False)
class Member:
    """A process."""

    process: subprocess.Popen[bytes]
    connection: Connection
    ready: bool = False
    work: Work | None = None


class LocalProcesses:
    """The processes of one stage."""

    def __init__(self, task: Task, count: int) -> None:
        """Start `count` processes. Raises an exception if the task cannot be sent to a process."""
        self._task, self.count = task, count
        self._start = Start(list(sys.path), logging.getLogger().level, pickle.dumps(task))
        self._deaths: dict[int, list[str]] = {}
        """Why processes died that worked on a shard, by its index."""
        self._todo: deque[Work] = deque()
        self._open: Counter[int] = Counter()
        """Unfinished shares by index of the shard."""
        self._began: dict[int, float] = {}
        """When a shared shard was started, by its index."""
        self._advance = Advance(task)
        self.error: str | None = None
        """Why the processes cannot run the task."""
        self._members = [self._new() for _ in range(count)]

    def ready(self) -> bool:
        """Whether a process can start to work. Does not wait."""
        for member in self._members:
            if not member.ready and member.connection.poll():
                self._greet(member)
        return self.error is None and any(member.ready for member in self._members)

    def run(self, slow: Sequence[Slow], shards: Sequence[Shard]) -> Outcomes:
        """Run shards: `slow` ones are shared by all processes, the others run in one process each."""
        yield Note(f"The steps are slow: {self.count} processes work on them.")
        yield Working(f"stage {self._task.stage} with {self.count} processes")
        self._todo.extend(Work(shard) for shard in shards)
        for each in slow:
            self._todo.extend(Work(each.shard, share) for share in shares(each, self.count))
            self._open[each.shard.index], self._began[each.shard.index] = self.count, each.began
            self._advance.watch(each)
        while True:
            for member in self._members:
                if member.ready and member.work is None and self._todo:
                    member.work = self._todo.popleft()
                    self._send(member, member.work)
            if not any(member.work for member in self._members) and not self._todo:
                return
            yield from self._advance.look()
            for found in wait([member.connection for member in self._members], timeout=SECONDS):
                member = next(member for member in self._members if member.connection is found)
                yield from self._receive(member)

    def close(self) -> None:
        """End the processes."""
        for member in self._members:
            member.process.kill()
            member.process.wait()
            member.connection.close()
        self._members = []

    def _new(self) -> Member:
        mine, theirs = Pipe()
        threads = str(max(1, cores() // self.count))
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", f"from {local_worker.__name__} import main; main({theirs.fileno()})"],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={"OMP_NUM_THREADS": threads, **os.environ},
            )
        member = Member(process, mine)
        self._send(member, self._start)
        return member

    def _send(self, member: Member, message: object) -> None:
        try:
            member.connection.send(message)
        except OSError:  # it died: receiving from it fails
            return

    def _greet(self, member: Member) -> None:
        """Receive the first message of a process."""
        try:
            message = member.connection.recv()
        except (EOFError, OSError):
            self.error = self.error or f"a process terminated at its start: {describe_end(member.process.wait())}"
            return
        if isinstance(message, Ready):
            member.ready = message.error is None
            self.error = self.error or message.error

    def _receive(self, member: Member) -> Outcomes:
        """Handle a message of a process, or its death."""
        try:
            message = member.connection.recv()
        except (EOFError, OSError):
            yield from self._died(member)
            return
        if isinstance(message, Logged):
            record = logging.makeLogRecord(message.record)
            logging.getLogger(record.name).handle(record)
        elif isinstance(message, Ready):
            member.ready = True
        else:
            work, member.work = member.work, None
            assert work is not None
            yield from self._done(work, message)

    def _done(self, work: Work, outcome: Record | ShardFailure | Shared) -> Outcomes:
        if not isinstance(outcome, Shared):
            self._advance.complete(work.shard.index)
            if isinstance(outcome, Record):
                outcome.began = self._began.get(outcome.index, outcome.began)
            yield outcome
            return
        self._open[work.shard.index] -= 1
        if self._open[work.shard.index]:
            return
        if len(self._deaths.get(work.shard.index, ())) >= TRIES:
            yield self._last_try(work.shard)
        else:
            self._todo.appendleft(Work(work.shard))

    def _died(self, member: Member) -> Outcomes:
        """Replace a process, and run its work again. After TRIES deaths, a share is left to the last try of the shard."""
        cause = describe_end(member.process.wait())
        work = member.work
        member.connection.close()
        self._members[self._members.index(member)] = self._new()
        if work is None:
            if not member.ready:
                yield ShardFailure("WorkerDied", f"A process terminated at its start: {cause}.", "")
            return
        deaths = self._deaths.setdefault(work.shard.index, [])
        deaths.append(cause)
        if len(deaths) < TRIES:
            self._todo.appendleft(work)
        elif work.share is not None:
            yield from self._done(work, Shared(work.shard))
        else:
            yield self._last_try(work.shard)

    def _last_try(self, shard: Shard) -> Record | ShardFailure:
        """The outcome of a shard that ends its processes."""
        if self._task.finds_bad_rows:
            return run_on_probation(self._task, shard)
        deaths = self._deaths[shard.index]
        return worker_died(self._task, shard, f"{len(deaths)} processes died, the last one with {deaths[-1]}")
