"""What a worker does with one unit: read, run the fused pass, put the rows away, commit. And the resolving of duplicates."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from workloads.engine import models
from workloads.engine.answers import Answers
from workloads.engine.blocks import BlockWriter, read_partition
from workloads.engine.chain import Chain, Step
from workloads.engine.dropped import SideFolders
from workloads.engine.inputs import BATCH_BYTES, FragmentInput, Input
from workloads.engine.ledger import Ledger, Record
from workloads.engine.outputs import Output
from workloads.engine.rows import Ranges, RowFiles, RowNumbers
from workloads.engine.tally import Tally
from workloads.engine.units import Unit
from workloads.errors import DataJobError, SinkError
from workloads.formats.atomic_file import AtomicFile
from workloads.formats.storage import storage_errors
from workloads.operators.base import Batch, Deduplicate, Model

if TYPE_CHECKING:
    import pyarrow as pa


MODEL_BYTES = 64 << 20
"""Arrow bytes of one table on its way through a model: enough rows to choose batches of like ones from."""


class Task(Protocol):
    """Does units of a phase; picklable, sent to workers once."""

    def run(self, unit: Unit) -> Record:
        """Do the unit and commit it. Raises DataJobError for what a person has to mend."""


@dataclass(frozen=True)
class RowsTask:
    """Moves a unit's rows from an input through a chain to an output."""

    sink: str
    phase: str
    source: Input
    steps: tuple[Step, ...]
    output: Output
    policy: str
    side: SideFolders
    python_path: tuple[str, ...] = ()

    def run(self, unit: Unit) -> Record:
        """Do the unit and commit it."""
        use_python_path(self.python_path)
        with models.turn():
            return self._run(unit)

    def _run(self, unit: Unit) -> Record:
        dropped = self.side.open(f"{self.phase}-{unit.prefix}")
        answers = Answers(self.sink, self.phase, unit.key) if self._inference() else None
        chain = Chain(self.steps, self.policy, dropped, answers=answers)
        output = self.output.open(unit)
        rows, schema = 0, None
        try:
            for table in gathered(self.source.tables(unit, chain), self._together()):
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
        record = Record(unit.index, unit.key, chain.tally, rows, files, side, schema)
        Ledger(self.sink, self.phase).commit(record)
        if answers is not None:
            answers.forget()
        return record

    def _inference(self) -> bool:
        return any(isinstance(s.operator, Model) for s in self.steps)

    def _together(self) -> int:
        return MODEL_BYTES if self._inference() else BATCH_BYTES


def gathered(tables: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
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
class ResolveTask:
    """Resolves one partition of signatures: which rows repeat others, or which are alike. Or confirms one of evidence."""

    sink: str
    phase: str
    step: str
    operator: Deduplicate
    signatures: tuple[str, ...]
    partitions: int
    folder: str
    confirm: bool = False

    def name(self, unit: Unit) -> str:
        """Parquet file of the unit's rows to drop (or edges)."""
        return f"{self.folder}/{unit.key}.parquet"

    def run(self, unit: Unit) -> Record:
        """Do the unit and commit it."""
        tally = Tally()
        found = read_partition(self.sink, self.signatures, unit.index, self.partitions)
        rows = 0
        if found is not None and found.num_rows:
            decide = self.operator.confirm if self.confirm else self.operator.resolve
            result = decide(found.sort_by("row"))
            rows = result.num_rows
            write_rows(self.sink, self.name(unit), result)
        record = Record(unit.index, unit.key, tally, rows)
        Ledger(self.sink, self.phase).commit(record)
        return record


@dataclass(frozen=True)
class EvidenceTask:
    """Gathers what is needed to confirm that the rows of a group are alike, from those rows of a unit that are in one."""

    sink: str
    phase: str
    step: str
    operator: Deduplicate
    source: Input
    numbers: RowNumbers
    groups: RowFiles
    """The rows in groups (`row`) and the groups (`kept`)."""
    partitions: int
    folder: str
    policy: str

    def name(self, unit: Unit) -> str:
        """Block file of the unit's evidence, an exchange."""
        return f"{self.folder}/{unit.key}.evidence.arrow"

    def run(self, unit: Unit) -> Record:
        """Do the unit and commit it."""
        chain = Chain((), self.policy)
        members = self.groups.read(self.numbers, unit.index)
        file = BlockWriter(self.sink, self.name(unit))
        rows = 0
        try:
            if members.num_rows:
                for table in self.source.tables(unit, chain):
                    self._gather(table, rows, members, unit, file)
                    rows += table.num_rows
            file.close()
        except BaseException:
            file.abort()
            raise
        record = Record(unit.index, unit.key, Tally(), members.num_rows)
        Ledger(self.sink, self.phase).commit(record)
        return record

    def _gather(self, table: pa.Table, position: int, members: pa.Table, unit: Unit, file: BlockWriter) -> None:
        import numpy as np
        import pyarrow as pa

        at = members.column("row").to_numpy()
        low, high = np.searchsorted(at, [position, position + table.num_rows])
        if low == high:
            return
        found = self.operator.evidence(
            Batch(table.select(list(self.operator.inputs())).take(pa.array(at[low:high] - position)))
        )
        keys = members.column("kept").to_numpy()[low:high]
        found = found.append_column("row", pa.array(at[low:high] + self.numbers.first(unit.index))).append_column(
            "key", pa.array(keys)
        )
        file.write_partitions(found, keys % self.partitions, self.partitions)


@dataclass(frozen=True)
class GatherTask:
    """Brings what many files say about one range of rows together in one file."""

    sink: str
    phase: str
    found: RowFiles
    ranges: Ranges
    folder: str

    def name(self, unit: Unit) -> str:
        """Parquet file of the unit's range of rows."""
        return f"{self.folder}/{unit.key}.parquet"

    def run(self, unit: Unit) -> Record:
        """Do the unit and commit it."""
        rows = self.found.between(*self.ranges.of_part(unit.index), self.found.names)
        write_rows(self.sink, self.name(unit), rows)
        record = Record(unit.index, unit.key, Tally(), rows.num_rows)
        Ledger(self.sink, self.phase).commit(record)
        return record


def write_rows(root: str, name: str, table: pa.Table) -> None:
    """Write rows with a `row` column so that a range of it is read without the rest (sorted, small row groups)."""
    import pyarrow.parquet as pq

    file = AtomicFile(root, name)
    try:
        pq.write_table(table.sort_by("row"), file.stream, row_group_size=1 << 17, compression="zstd")
    except BaseException:
        file.abort()
        raise
    file.commit()


@dataclass(frozen=True)
class Failure:
    """Why a unit could not be done, as plain data that crosses process borders."""

    kind: str
    """Name of the DataJobError class, or `Exception`."""
    message: str
    traceback: str


def attempt(task: Task, unit: Unit) -> Record | Failure:
    """Run a unit; errors come back as data, so that no executor wraps or retries them."""
    began = time.time()
    try:
        record = task.run(unit)
        record.began = began
        return record
    except DataJobError as error:
        return Failure(type(error).__name__, str(error), traceback.format_exc())
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the driver reports it
        return Failure("Exception", f"{type(error).__name__}: {error}", traceback.format_exc())


def use_python_path(folders: tuple[str, ...]) -> None:
    """Let this process find user functions in `folders`."""
    for folder in reversed(folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _describe(schema: pa.Schema) -> str:
    return ", ".join(f"{f.name}: {f.type}" for f in schema)
