"""What a shard reads: fragments of the job's sources, rows that an earlier stage stored, or a partition of an exchange.

Inputs only read: they neither count rows nor depend on the steps or the error policy. A record that cannot be read is
passed to the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from datajob.api.report import READ
from datajob.engine import journal
from datajob.engine.commit.shard import Shard
from datajob.engine.exchange.blocks import conform, read_blocks, read_partition
from datajob.engine.exchange.row_ids import FailedRows
from datajob.engine.input.prefetch import BadRecord, OnBad, prefetch
from datajob.engine.input.sharding import ShardFragments
from datajob.errors import InputError
from datajob.formats.base import Fragment, Reader
from datajob.operators.base import Repartition

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_BYTES = 16 << 20
"""Arrow bytes of one table on its way through the steps; a worker holds a few of them."""


class Input(Protocol):
    """Reads the shards of a stage."""

    @property
    def step(self) -> str | None:
        """Name of the step that reading is counted as; None: it is not counted."""

    def tables(self, shard: Shard, on_bad: OnBad) -> Iterator[pa.Table]:
        """The rows of a shard in order, as tables of bounded size. Bad records go to `on_bad`, which may raise."""


@dataclass(frozen=True)
class FragmentInput:
    """The files of the job's sources, or of a further source of a step."""

    shards: tuple[ShardFragments, ...]
    readers: tuple[Reader, ...]
    schema: pa.Schema
    """Columns of the rows of all sources together."""
    source_schemas: tuple[pa.Schema, ...]

    step: ClassVar[str] = READ

    def files(self, shard: Shard) -> list[str]:
        """Paths of the files that a shard reads."""
        return list(dict.fromkeys(fragment.file.path for fragment in self.shards[shard.index].fragments))

    def tables(self, shard: Shard, on_bad: OnBad) -> Iterator[pa.Table]:
        """Read the fragments. A file that cannot be read is a bad record; the files after it are read nevertheless."""
        part = self.shards[shard.index]
        reader, schema = self.readers[part.source], self.source_schemas[part.source]

        def read(fragment: Fragment, on_bad: OnBad) -> Iterator[pa.Table]:
            report = lambda record, reason: on_bad(BadRecord(record, reason))  # noqa: E731
            try:
                begin_file(fragment)
                yield from rows_between(reader.read(fragment, schema, BATCH_BYTES, report), part.rows)
            except InputError as error:
                on_bad(BadRecord(fragment.file.path, str(error), error))

        for table in prefetch(part.fragments, read, on_bad):
            if table.num_rows:
                yield conform(table, self.schema)


def begin_file(fragment: Fragment) -> None:
    """Record the fragment in the journal. Raises InputError if reading it terminated an earlier process."""
    try:
        journal.enter(f"file {fragment.start} {fragment.file.path!r}")
    except journal.ProcessEndedError as error:
        raise InputError(f"{fragment.file.path}: reading it or storing its rows terminates the process ({error}).") from error


def rows_between(tables: Iterator[pa.Table], rows: tuple[int, int] | None) -> Iterator[pa.Table]:
    """The rows of a half-open range (None: all). Nothing is read after the end of the range."""
    if rows is None:
        yield from tables
        return
    position, (start, stop) = 0, rows
    for table in tables:
        low, high = max(0, start - position), min(table.num_rows, stop - position)
        if low < high:
            yield table.slice(low, high - low)
        position += table.num_rows
        if position >= stop:
            return


@dataclass(frozen=True)
class IntermediateInput:
    """Rows that an earlier stage stored, one file per shard."""

    root: str
    names: tuple[str, ...]
    """Block file of each shard."""
    failed: FailedRows = field(default_factory=lambda: FailedRows(""))
    """Rows that failed after they were stored; they are left out."""

    step: ClassVar[None] = None

    def tables(self, shard: Shard, on_bad: OnBad) -> Iterator[pa.Table]:
        """Read the stored rows."""
        import numpy as np
        import pyarrow as pa

        failed = self.failed.positions(shard.index)
        start = 0
        for table in read_blocks(self.root, self.names[shard.index]):
            end = start + table.num_rows
            if len(failed):
                low, high = np.searchsorted(failed, [start, end])
                keep = np.ones(end - start, dtype=bool)
                keep[failed[low:high] - start] = False
                table = table.filter(pa.array(keep))
            start = end
            if table.num_rows:
                yield table


@dataclass(frozen=True)
class PartitionInput:
    """The partitions of an exchange, each of them combined by a repartition."""

    root: str
    step: str
    operator: Repartition
    partitions: int
    exchanges: tuple[tuple[str, ...], ...]
    """Exchange files of each source, in the order of the input."""
    schemas: tuple[pa.Schema, ...]
    """Columns of each source, for sources without rows."""

    def tables(self, shard: Shard, on_bad: OnBad) -> Iterator[pa.Table]:
        """Collect the rows of a partition and combine them."""
        inputs: Sequence[pa.Table] = [self._collect(source, shard.index) for source in range(len(self.exchanges))]
        if not any(map(len, inputs)) and not all(map(len, self.schemas)):
            return  # no rows, and unknown columns
        for table in self.operator.combine(inputs, shard.index):
            if table.num_rows:
                yield table

    def _collect(self, source: int, partition: int) -> pa.Table:
        table = read_partition(self.root, self.exchanges[source], partition, self.partitions)
        return self.schemas[source].empty_table() if table is None else table
