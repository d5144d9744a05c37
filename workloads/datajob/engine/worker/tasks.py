"""What a worker does with one unit: read, run the fused pass, put the rows away, commit. And the resolving of duplicates."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from datajob.engine.commit.ledger import Ledger, Record
from datajob.engine.commit.shard import Shard
from datajob.engine.input.inputs import BATCH_BYTES, FragmentInput, Input
from datajob.engine.plan.steps import Step
from datajob.engine.worker import model_registry
from datajob.engine.worker.chain import Chain
from datajob.engine.worker.isolate import describe
from datajob.engine.worker.model_output_cache import ModelOutputCache
from datajob.engine.worker.outputs import Output
from datajob.engine.worker.rejects import RejectFolders
from datajob.errors import DataJobError, SinkError
from datajob.formats.storage import storage_errors
from datajob.operators.base import Model

if TYPE_CHECKING:
    import pyarrow as pa


MODEL_BYTES = 64 << 20
"""Arrow bytes of one table on its way through a model: enough rows to choose batches of like ones from."""


class Task(Protocol):
    """Does units of a phase; picklable, sent to workers once."""

    def run(self, shard: Shard) -> Record:
        """Do the unit and commit it. Raises DataJobError for what a person has to mend."""


@dataclass(frozen=True)
class RowsTask:
    """Moves a unit's rows from an input through a chain to an output."""

    sink: str
    stage: str
    source: Input
    steps: tuple[Step, ...]
    output: Output
    policy: str
    side: RejectFolders
    python_path: tuple[str, ...] = ()

    def run(self, shard: Shard) -> Record:
        """Do the unit and commit it."""
        use_python_path(self.python_path)
        with model_registry.hold_slot():
            return self._run(shard)

    def _run(self, shard: Shard) -> Record:
        dropped = self.side.open(f"{self.stage}-{shard.prefix}")
        answers = ModelOutputCache(self.sink, self.stage, shard.key) if self._inference() else None
        chain = Chain(self.steps, self.policy, dropped, answers=answers)
        output = self.output.open(shard)
        rows, schema = 0, None
        try:
            for table in merge_small(self.source.tables(shard, chain), self._together()):
                if isinstance(self.source, FragmentInput):
                    chain.tally.measure("read", table)
                result = chain.apply(table)
                schema = schema or _describe(result.schema)
                rows += result.num_rows
                if result.num_rows:
                    output.write(result, chain.tally)
            side = dropped.close()
            files = output.close(chain.tally)
        except BaseException as error:
            output.abort()
            dropped.abort()
            if isinstance(error, OSError):  # readers turn theirs into InputError
                with storage_errors(self.sink, SinkError, "write the result"):
                    raise
            raise
        record = Record(shard.index, shard.key, chain.tally, rows, files, side, schema)
        Ledger(self.sink, self.stage).commit(record)
        if answers is not None:
            answers.forget()
        return record

    def _inference(self) -> bool:
        return any(isinstance(s.operator, Model) for s in self.steps)

    def _together(self) -> int:
        return MODEL_BYTES if self._inference() else BATCH_BYTES


def merge_small(tables: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """Neighbouring small tables as one of up to about `size` bytes: readers of whole files give a row at a time."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    held = 0
    for table in tables:
        waiting.append(table)
        held += table.nbytes
        if held >= size // 2:
            yield pa.concat_tables(waiting) if len(waiting) > 1 else table
            waiting, held = [], 0
    if waiting:
        yield pa.concat_tables(waiting) if len(waiting) > 1 else waiting[0]


@dataclass(frozen=True)
class ShardFailure:
    """Why a unit could not be done, as plain data that crosses process borders."""

    kind: str
    """Name of the DataJobError class, or `Exception`."""
    message: str
    traceback: str


def attempt(task: Task, shard: Shard) -> Record | ShardFailure:
    """Run a unit; errors come back as data, so that no executor wraps or retries them."""
    began = time.time()
    try:
        record = task.run(shard)
        record.began = began
        return record
    except DataJobError as error:
        return ShardFailure(type(error).__name__, str(error), traceback.format_exc())
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the driver reports it
        return ShardFailure("Exception", describe(error), traceback.format_exc())


def use_python_path(folders: tuple[str, ...]) -> None:
    """Let this process find user functions in `folders`."""
    for folder in reversed(folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _describe(schema: pa.Schema) -> str:
    return ", ".join(f"{f.name}: {f.type}" for f in schema)
