"""Shards that end their process."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from datajob.engine import journal
from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.counts.tally import Tally
from datajob.engine.worker.isolate import isolate
from datajob.engine.worker.probation import describe_end, run_on_probation
from datajob.engine.worker.task import ShardFailure, Task
from datajob.operators.batch import Batch

SHARD = Shard(index=3, key="k", weight=1)


@dataclass(frozen=True)
class Deadly(Task):
    """Ends its process on some numbers, and at once when there are none."""

    numbers: tuple[int, ...]
    deadly: tuple[int, ...]
    outside: bool = False

    def process(self, shard: Shard) -> Record:
        """The rows that are left, and the errors of the others, in the schema."""
        errors: list[str] = []
        rows = 0
        for start in range(0, len(self.numbers), 64):
            table = pa.table({"n": self.numbers[start : start + 64]})
            pieces, bad = isolate(lambda rows, _: [self.check(n) for n in rows.table.column("n").to_pylist()], Batch(table))
            rows += sum(piece.stop - piece.start for piece in pieces)
            errors += [f"{self.numbers[start + row.row]} {row.error}" for row in bad]
        if self.outside:
            os._exit(5)
        return Record(shard.index, shard.key, Tally(), rows, [], [], "; ".join(errors))

    def check(self, number: int) -> None:
        """Die of some numbers."""
        if number in self.deadly:
            os.kill(os.getpid(), signal.SIGKILL) if number % 2 else os._exit(number)

    def files(self, shard: Shard) -> list[str]:
        """One."""
        return ["in/x.csv"]


@pytest.mark.slow
@pytest.mark.parametrize("deadly", [(), (0,), (127,), (4, 5, 100)])
def test_the_rows_that_end_a_process_are_found_and_the_others_stay(tmp_path: Path, deadly: tuple[int, ...]) -> None:
    outcome = run_on_probation(Deadly(str(tmp_path), "rows", tuple(range(128)), deadly), SHARD)
    assert isinstance(outcome, Record)
    assert outcome.rows == 128 - len(deadly)
    found = (outcome.schema or "").split("; ") if outcome.schema else []
    assert [error.split()[0] for error in found] == [str(number) for number in deadly]
    for number, error in zip(deadly, found, strict=True):
        assert ("SIGKILL, most likely out of memory" if number % 2 else f"exit code {number}") in error


def test_a_process_that_ends_outside_of_rows_fails_its_shard(tmp_path: Path) -> None:
    outcome = run_on_probation(Deadly(str(tmp_path), "rows", (1,), (), outside=True), SHARD)
    assert isinstance(outcome, ShardFailure)
    assert outcome.kind == "WorkerDied"
    assert "shard 3 (in/x.csv) of stage rows terminated: exit code 5" in outcome.message


def test_the_end_of_a_process_is_described() -> None:
    assert [describe_end(code) for code in (7, -11, -250)] == ["exit code 7", "signal SIGSEGV", "signal 250"]


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("", None),
        ("file 0 'a'\n", "file 0 'a'"),
        ("file 0 'a'\ncall 1 0 9\n-\n", "file 0 'a'"),
        ("file 0 'a'\ncall 1 0 9\n", "call 1 0 9"),
        ("call 1 0 9\n-\n", None),
    ],
)
def test_the_last_entry_is_what_was_not_finished(text: str, entry: str | None) -> None:
    assert journal.last_entry(text) == entry


def test_a_process_without_a_watcher_keeps_no_journal() -> None:
    journal.enter("call 1 0 1")
    assert journal.next_call() == ""
    assert not journal.is_kept()
