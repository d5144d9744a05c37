"""Pools of processes (Ray actors) of one kind: start, stop, replace after a death, avoid places where they die."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from datajob.api.report import PoolReport
from datajob.engine.executors.capacity import NOTICE_SECONDS, machines, notice, refuse_impossible
from datajob.engine.executors.faults import MAX_DEATHS, died_message
from datajob.engine.executors.placement import Pool
from datajob.engine.executors.usage import IDLE, Usage
from datajob.errors import WorkerDied

BAD_MACHINE = 3
"""A machine or accelerator gets no more work after this many processes died there without completing anything, unless it is the
only one."""
START_SECONDS = 60.0
"""Time after a death or an error during which work waits for a process that starts on another machine."""
MAX_PAUSE = 60.0
"""Maximum number of seconds between two attempts to start a process while others work."""


class Actor:
    """What every process offers besides its work."""

    def ready(self) -> tuple[str, str]:
        """Return the machine, and the machine with the accelerators, once the process has started."""
        import ray

        context = ray.get_runtime_context()
        node, devices = context.get_node_id(), context.get_accelerator_ids()
        return node, "/".join([node, *(f"{kind}-{one}" for kind, ids in devices.items() for one in ids)])

    def stay(self) -> None:
        """Run until the process ends, so that its death is noticed at once."""
        threading.Event().wait()


@dataclass(eq=False)
class Member:
    """One process of a pool."""

    actor: Any
    starting: Any
    """A reference that is ready once the process has started; None from then on."""
    present: Any
    """A reference that fails when the process dies, even if it has nothing to do."""
    node: str = ""
    """The machine that it runs on."""
    place: str = ""
    """The machine and its accelerators there."""
    since: float = 0.0
    """When it started (monotonic)."""
    parked: bool = False
    """True if it only occupies a place where processes die."""
    leaving: bool = False
    """True if it gets no more work and stops once it is idle."""
    running: dict[Any, Any] = field(default_factory=dict)
    """What it works on, by the reference of the result."""
    held: set[Any] = field(default_factory=set)
    """What it has not finished, including what waits for another process."""

    @property
    def active(self) -> bool:
        """True if it works or will work."""
        return not self.parked and not self.leaving

    @property
    def usable(self) -> bool:
        """True if it can get work."""
        return self.starting is None and self.active


class Processes:
    """The processes of a pool. A subclass defines what they are and what they work on."""

    what = "process"

    def __init__(self, pool: Pool, promised: bool) -> None:
        """Raises InvalidJob if no machine is large enough for a process, unless resources are `promised`."""
        refuse_impossible(pool, promised)
        self.pool = pool
        self.members: list[Member] = []
        self._promised = promised
        self._startup_deaths = 0
        """Since the last process that started."""
        self._idle_deaths = 0
        """Since the last completed work."""
        self._pause = 0.0
        """When the next process may start (monotonic), if one is there."""
        self._last_fault = -math.inf
        self._nodes: set[str] = set()
        """The machines on which a process has started."""
        self._deaths_on = Counter[str]()
        """Deaths by machine and by place since the last completed work there."""
        self._began = self._heard = time.monotonic()
        self.usage = Usage()

    def create(self) -> Member:
        """Start a process."""
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        """The options of its actor."""
        p = self.pool
        found: dict[str, Any] = {"num_cpus": p.num_cpus, "max_restarts": 0}
        if p.num_gpus:
            found["num_gpus"] = p.num_gpus
        if p.resources:
            found["resources"] = dict(p.resources)
        return found

    @property
    def usable(self) -> list[Member]:
        """The members that can get work."""
        return [m for m in self.members if m.usable]

    @property
    def active(self) -> int:
        """Number of members that work or will work."""
        return sum(m.active for m in self.members)

    def waiting_for(self) -> list[Any]:
        """The references whose completion the loop has to look at."""
        return [ref for m in self.members for ref in (*m.running, m.present, *([] if m.starting is None else [m.starting]))]

    def find(self, ref: Any) -> Member | None:
        """The member that a reference belongs to; None if it died."""
        return next((m for m in self.members if ref in m.running or ref is m.starting or ref is m.present), None)

    def resize(self, wanted: int) -> None:
        """Start or stop processes. Idle ones stop first, and the others once they are idle."""
        if not self.active:
            for member in self.members:
                member.parked = False
        while self.active < wanted and not self._pausing():
            self.members.append(self.create())
        surplus = [m for m in self.members if m.active]
        surplus.sort(key=lambda m: (m.starting is None, self.load(m)))
        for member in surplus[: self.active - wanted]:
            member.leaving = True
        for member in [m for m in self.members if m.leaving and self.load(m) == 0]:
            self.stop(member)

    def _pausing(self) -> bool:
        """True for a while after a death during startup, if another process works."""
        return time.monotonic() < self._pause and any(m.usable for m in self.members)

    def elsewhere(self, ready: list[Member], avoided: set[str]) -> list[Member]:
        """Those of `ready` that get work whose process died in the `avoided` places. None if the work has to wait.

        Another machine is better than another accelerator of the same one, and both are better than the same place. The work
        waits until a process in a better place is idle or has started, but for processes that start only for a while.
        """
        if not avoided:
            return ready
        bad = {m: (m.node in avoided) + (m.place in avoided) for m in self.members if m.usable}
        if any(m.active and not m.usable for m in self.members) and time.monotonic() - self._last_fault < START_SECONDS:
            others = (self._nodes | self.machines()) - avoided
            least = min([*bad.values(), 0 if others else 1 if self.pool.accelerators else 2])
        else:
            least = min(bad.values(), default=0)
        return [m for m in ready if bad[m] == least]

    def machines(self) -> set[str]:
        """The machines that are large enough for a process."""
        return machines(self.pool)

    def failed(self) -> None:
        """Work raised an error whose cause can be the machine."""
        self._last_fault = time.monotonic()

    def load(self, member: Member) -> int:
        """How much a member has to do; 0: it can stop."""
        return len(member.running) + len(member.held)

    def started(self, member: Member, where: tuple[str, str]) -> None:
        """A process is ready."""
        member.starting, member.since = None, time.monotonic()
        member.node, member.place = where
        self._nodes.add(member.node)
        self._startup_deaths = 0
        for bad in {place for place in where if self._deaths_on[place] >= BAD_MACHINE}:
            member.parked |= any(m.usable and bad not in (m.node, m.place) for m in self.members)

    def completed(self, member: Member) -> None:
        """A process completed some work: its machine is not to blame for earlier deaths."""
        self._deaths_on[member.node] = self._deaths_on[member.place] = 0
        self._idle_deaths = 0

    def died(self, member: Member, error: BaseException) -> None:
        """End what is left of a dead process. Raises WorkerDied if processes die again and again without any work."""
        self.stop(member)
        self._last_fault = time.monotonic()
        if member.starting is not None:
            self._startup_deaths += 1
            self._pause = time.monotonic() + min(MAX_PAUSE, 2**self._startup_deaths)
            if self._startup_deaths >= MAX_DEATHS and not any(m.starting is None for m in self.members):
                raise WorkerDied(died_message(self.what, "during startup", error, self._startup_deaths)) from error
            return
        for place in {member.node, member.place}:
            self._deaths_on[place] += 1
        if self.load(member):
            return
        self._idle_deaths += 1
        if self._idle_deaths >= MAX_DEATHS * max(1, self.pool.size[0]):
            raise WorkerDied(died_message(self.what, "before it received any work", error, self._idle_deaths)) from error

    def stop(self, member: Member) -> None:
        """End a process."""
        import ray

        self.members.remove(member)
        ray.kill(member.actor)

    def close(self) -> None:
        """End all processes."""
        for member in list(self.members):
            self.stop(member)

    def tick(self) -> None:
        """Count the time since the last call. Called before anything changes."""
        self.usage.tick(sum(bool(m.running) for m in self.members), sum(m.starting is None for m in self.members))

    def report(self, whole: bool = False) -> PoolReport:
        """How busy the processes were recently or during the whole stage."""
        busy, rate = self.usage.whole() if whole else self.usage.recent()
        started = sum(m.starting is None for m in self.members)
        return PoolReport(
            name=self.pool.name,
            device=self.pool.device.kind if self.pool.accelerators else "cpu",
            processes=started,
            starting=len(self.members) - started,
            rows=self.usage.rows,
            rows_per_second=round(rate, 3),
            queued=self.queued,
            busy=round(min(1.0, busy), 3),
            waiting_for=None if whole or (started and busy >= IDLE) else self.waits_for() if started else "a process to start",
        )

    @property
    def queued(self) -> int:
        """Number of rows that wait for the pool."""
        return 0

    def waits_for(self) -> str | None:
        """What the processes wait for if they are not busy."""
        return "rows"

    def overdue(self) -> str | None:
        """A notice if no process has started for a while, at most one per NOTICE_SECONDS."""
        now = time.monotonic()
        if any(m.starting is None for m in self.members):
            self._heard = now
        elif self.members and now - self._heard >= NOTICE_SECONDS:
            self._heard = now
            return notice(self.pool, self.what, now - self._began)
        return None
