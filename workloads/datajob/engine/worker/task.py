"""A task: what a worker does with the shards of a stage. Every task ends in the same way, with a commit record."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from datajob import errors
from datajob.api.report import READ
from datajob.engine.commit.ledger import Ledger, Record
from datajob.engine.commit.shard import Shard
from datajob.engine.worker.sharing import GaveUp, Patience, Share, Shared, Slow
from datajob.errors import DataJobError, RowsFailed, described

R = TypeVar("R")


@dataclass(frozen=True)
class Task:
    """Processes the shards of a stage. Picklable; each worker receives it once."""

    sink: str
    stage: str

    def run(self, shard: Shard, patience: Patience | None = None, doubtful: bool = False) -> Record:
        """Process a shard and commit it. Raises DataJobError for everything that the user must fix.

        `patience`: when to give up a shard that can be shared. Raises GaveUp. `doubtful`: see `commit`.
        """
        record = self.process(shard)
        self.commit(record, doubtful)
        return record

    def commit(self, record: Record, doubtful: bool) -> None:
        """Commit a shard. If it is `doubtful`, raises RowsFailed instead if a step failed on every row of the shard.

        The cause can be a file or a library that is missing on this machine, so another machine has to confirm it.
        """
        for name, step in record.tally.steps.items() if doubtful else ():
            if name != READ and step.failed_on_every_row:
                raise RowsFailed(f"Step {name} failed on every row ({step.failed}). The first row failed: {step.error}.")
        Ledger(self.sink, self.stage).commit(record)

    def process(self, shard: Shard) -> Record:
        """Process a shard and move its files to their final names; returns the record to commit."""
        raise NotImplementedError

    def run_share(self, shard: Shard, share: Share) -> None:
        """Process a share of a shard that was given up."""
        raise NotImplementedError

    def files(self, shard: Shard) -> list[str]:
        """Paths of the input files that a shard reads; empty if it reads rows of an earlier stage."""
        return []

    @property
    def finds_bad_rows(self) -> bool:
        """Whether failed rows are omitted."""
        return False


def shard_name(task: Task, shard: Shard) -> str:
    """A shard with its files, such as `shard 3 (in/a.parquet) of stage rows`, for messages."""
    files = task.files(shard)
    of = f" ({', '.join(files[:3])}{', ...' if len(files) > 3 else ''})" if files else ""
    return f"shard {shard.index}{of} of stage {task.stage}"


@dataclass(frozen=True)
class ShardFailure:
    """Why a shard failed, as plain data that can be sent between processes."""

    kind: str
    """Name of the DataJobError class, or `Exception`."""
    message: str
    """With the marks of its private parts."""
    traceback: str

    def as_error(self) -> Exception:
        """The exception that it describes."""
        error: Exception = getattr(errors, self.kind, DataJobError)(self.message)
        error.__cause__ = RuntimeError(self.traceback)
        return error


def run_shard(task: Task, shard: Shard, doubtful: bool = False) -> Record | ShardFailure:
    """Run a shard. Errors are returned, so that no executor wraps them or retries the shard. `doubtful`: see `Task.commit`."""
    outcome = try_shard(task, shard, doubtful=doubtful)
    assert not isinstance(outcome, Slow)
    return outcome


def try_shard(
    task: Task, shard: Shard, patience: Patience | None = None, doubtful: bool = False
) -> Record | ShardFailure | Slow:
    """Like `run_shard`, until `patience` ends."""
    began = time.time()

    def run() -> Record | Slow:
        try:
            record = task.run(shard, patience, doubtful)
        except GaveUp as end:
            return Slow(shard, end.position, end.rows_per_second, end.remaining, began)
        record.began = began
        return record

    return _caught(task, shard, run)


def run_share(task: Task, shard: Shard, share: Share) -> Shared | ShardFailure:
    """Run a share of a shard. Errors are returned, as from `run_shard`."""

    def run() -> Shared:
        task.run_share(shard, share)
        return Shared(shard)

    return _caught(task, shard, run)


def _caught(task: Task, shard: Shard, run: Callable[[], R]) -> R | ShardFailure:
    try:
        return run()
    except RowsFailed as error:
        message = f"{error.marked} It occurred in {shard_name(task, shard)}."
        return ShardFailure(type(error).__name__, message, traceback.format_exc())
    except DataJobError as error:
        return ShardFailure(type(error).__name__, error.marked, traceback.format_exc())
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the driver reports it
        place = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{described(error)} ({place.filename}:{place.lineno}). It occurred in {shard_name(task, shard)}."
        return ShardFailure("Exception", message, traceback.format_exc())


def use_python_path(folders: tuple[str, ...]) -> None:
    """Let this process import user functions from `folders`."""
    for folder in reversed(folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)
