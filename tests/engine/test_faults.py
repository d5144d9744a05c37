"""What failed calls of processes mean, and what they count for."""

from typing import Any

import pytest

from datajob.engine.executors.faults import MAX_DEATHS, MAX_LOSSES, Blame, Fault, fault_of
from datajob.engine.executors.placement import Pool
from datajob.engine.executors.processes import BAD_MACHINE, Member, Processes
from datajob.errors import WorkerDied


def wrapped(cause: Exception, times: int = 1) -> Any:
    """The error of a call whose argument has an error, or that raised `cause`."""
    from ray import exceptions as e

    kind: Any = e.RayTaskError
    error: Any = cause
    for _ in range(times):
        error = kind("infer", "Traceback ...", error, proctitle="p", pid=1, ip="ip")
    return error.as_instanceof_cause()


def errors() -> dict[str, tuple[Exception, Fault]]:
    from ray import exceptions as e

    kinds: list[Any] = [e.ObjectLostError, e.OwnerDiedError, e.ObjectFreedError, e.ObjectFetchTimedOutError]
    lost: list[Exception] = [kind("0", b"", "") for kind in (*kinds, e.ReferenceCountingAssertionError)]
    out_of_memory: Any = e.OutOfMemoryError
    died: list[Exception] = [e.ActorDiedError(), e.ActorUnavailableError("unreachable", b"0" * 16), out_of_memory("killed")]
    found: dict[str, tuple[Exception, Fault]] = {f"{type(one).__name__} of the call": (one, Fault.LOST) for one in lost}
    found |= {f"{type(one).__name__} of an argument": (wrapped(one), Fault.LOST) for one in (*lost, *died)}
    found |= {f"{type(one).__name__} of the call": (one, Fault.DIED) for one in died}
    found["an argument of an argument"] = (wrapped(lost[0], times=2), Fault.LOST)
    found["an exception of the code"] = (wrapped(ValueError("x")), Fault.RAISED)
    found["no memory in the process"] = (wrapped(MemoryError()), Fault.RAISED)
    return found


def test_the_loss_of_an_argument_is_not_the_death_of_the_process() -> None:
    wrong = {name: fault_of(error) for name, (error, fault) in errors().items() if fault_of(error) is not fault}
    assert wrong == {}


def test_a_shard_is_blamed_for_the_third_death_only() -> None:
    blame = Blame()
    for _ in range(MAX_DEATHS - 1):
        blame.died(1, "machine", "worker process", "shard 1", RuntimeError("gone"))
    assert blame.suspect(1) and not blame.suspect(2) and blame.avoided(1) == {"machine"} and blame.avoided(2) == set()
    with pytest.raises(WorkerDied, match="A worker process died 3 times while it processed shard 1: gone"):
        blame.died(1, "other", "worker process", "shard 1", RuntimeError("gone"))


def test_a_shard_that_raises_an_error_runs_once_more_without_the_machine() -> None:
    blame = Blame()
    assert blame.failed(1, "machine") and blame.avoided(1) == {"machine"} and not blame.suspect(1)
    assert not blame.failed(1, "other")


def test_losses_are_no_deaths_but_not_endless() -> None:
    blame = Blame()
    for _ in range(MAX_LOSSES - 1):
        blame.lost(1, "shard 1", RuntimeError("gone"))
    assert not blame.suspect(1)
    with pytest.raises(WorkerDied, match=f"The rows of shard 1 were lost {MAX_LOSSES} times .*: gone"):
        blame.lost(1, "shard 1", RuntimeError("gone"))


class Plain(Processes):
    """Processes without an actor."""

    def create(self) -> Member:
        return Member(None, "starting", "present")

    def stop(self, member: Member) -> None:
        self.members.remove(member)

    def machines(self) -> set[str]:
        return set(self.others)

    others: frozenset[str] = frozenset()
    """Machines without processes."""


def started(count: int, monkeypatch: pytest.MonkeyPatch) -> Plain:
    monkeypatch.setattr("datajob.engine.executors.processes.refuse_impossible", lambda pool, promised: None)
    pool = Plain(Pool(size=(count, count)), promised=True)
    pool.resize(count)
    for number, member in enumerate(pool.members):
        pool.started(member, (f"machine {number}", f"machine {number}/GPU-0"))
    return pool


def test_idle_processes_that_die_again_and_again_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = started(2, monkeypatch)
    for _ in range(2 * MAX_DEATHS - 1):
        pool.died(pool.members[0], RuntimeError("gone"))
        pool.resize(2)
        pool.started(pool.members[-1], ("machine 2", "machine 2/GPU-0"))
    with pytest.raises(WorkerDied, match="died 6 times before it received any work: gone"):
        pool.died(pool.members[0], RuntimeError("gone"))


def test_completed_work_excuses_earlier_deaths_of_idle_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = started(1, monkeypatch)
    for _ in range(5 * MAX_DEATHS):
        pool.died(pool.members[0], RuntimeError("gone"))
        pool.resize(1)
        pool.started(pool.members[0], ("machine 2", "machine 2/GPU-0"))
        pool.completed(pool.members[0])


def test_a_process_that_does_not_start_is_not_replaced_at_once_while_another_one_works(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = started(1, monkeypatch)
    pool.resize(2)
    pool.died(pool.members[1], RuntimeError("no memory"))
    pool.resize(2)
    assert len(pool.members) == 1
    pool.died(pool.members[0], RuntimeError("gone"))
    pool.resize(2)
    assert len(pool.members) == 2


def test_the_only_machine_is_used_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = started(1, monkeypatch)
    (only,) = pool.members
    only.place = only.node
    pool.resize(2)
    pool.died(pool.members[1], RuntimeError("gone"))
    pool._pause = 0.0
    pool.resize(2)
    assert pool.elsewhere([only], {only.node}) == [only]


def test_work_whose_process_died_waits_for_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = started(2, monkeypatch)
    bad, good = pool.members
    assert pool.elsewhere([bad], {bad.node}) == []
    assert pool.elsewhere([bad, good], {bad.node}) == [good]
    pool.died(good, RuntimeError("gone"))
    assert pool.elsewhere([bad], {bad.node}) == [bad]
    pool.resize(2)
    assert pool.elsewhere([bad], {bad.node}) == []
    monkeypatch.setattr("datajob.engine.executors.processes.START_SECONDS", 0.0)
    assert pool.elsewhere([bad], {bad.node}) == [bad]


def test_work_that_raised_an_error_waits_for_a_process_on_a_machine_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = started(1, monkeypatch)
    (bad,) = pool.members
    bad.place = bad.node
    pool.resize(2)
    pool.others = frozenset({bad.node})
    pool.failed()
    assert pool.elsewhere([bad], {bad.node}) == [bad]
    pool.others = frozenset({bad.node, "machine 2"})
    assert pool.elsewhere([bad], {bad.node}) == []
    monkeypatch.setattr("datajob.engine.executors.processes.START_SECONDS", 0.0)
    assert pool.elsewhere([bad], {bad.node}) == [bad]


def test_a_piece_whose_process_died_prefers_another_machine_then_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = started(3, monkeypatch)
    same, device, machine = pool.members
    device.node = same.node
    avoided = {same.node, same.place}
    assert pool.elsewhere([same, device, machine], avoided) == [machine]
    assert pool.elsewhere([same, device], avoided) == []
    pool.stop(machine)
    assert pool.elsewhere([same, device], avoided) == [device]
    assert pool.elsewhere([same], avoided) == []
    pool.stop(device)
    assert pool.elsewhere([same], avoided) == [same]


def test_a_device_on_which_processes_die_is_only_occupied(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = started(2, monkeypatch)
    good, bad = pool.members
    place = (bad.node, bad.place)
    for _ in range(BAD_MACHINE):
        pool.died(pool.members[-1], RuntimeError("gone"))
        pool.resize(2)
        pool.started(pool.members[-1], place)
        pool.completed(good)
    assert pool.members[-1].parked and pool.usable == [good]
    pool.died(good, RuntimeError("gone"))
    pool.resize(2)
    assert pool.usable == [pool.members[0]]
