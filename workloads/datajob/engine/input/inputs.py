"""What a shard reads: fragments of the job's sources, rows that an earlier stage stored, or a partition of an exchange.

Inputs only read: they neither count rows nor depend on the steps or the error policy. A record that cannot be read is
passed to the caller.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from datajob.api.report import READ
from datajob.engine import journal
from datajob.engine.commit.shard import Shard
from datajob.engine.exchange.blocks import conform, read_blocks, read_partition
from datajob.engine.exchange.row_ids import FailedRows
from datajob.engine.input.added_columns import added_to_rows
from datajob.engine.input.prefetch import BadRecord, OnBad, prefetch
from datajob.engine.input.sharding import ShardFragments
from datajob.errors import InputError, checked, marked, private
from datajob.formats._columns import empty_table
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
            rows = _RowsBetween(fragment.file.path, part.rows, on_bad)
            try:
                begin_file(fragment)
                yield from rows.of(reader.read(fragment, schema, BATCH_BYTES, rows.bad))
            except InputError as error:
                on_bad(BadRecord(fragment.file.path, checked(error.marked), error))

        for table in prefetch(part.fragments, read, on_bad):
            if table.num_rows:
                yield conform(added_to_rows(reader, table), self.schema)


def begin_file(fragment: Fragment) -> None:
    """Record the fragment in the journal. Raises InputError if reading it terminated an earlier process."""
    try:
        journal.enter(f"file {fragment.start} {fragment.file.path!r}")
    except journal.ProcessEndedError as error:
        raise InputError(f"{fragment.file.path}: reading it or storing its rows terminates the process ({error}).") from error


_PLACE = re.compile(r":? ?\w+ \d+(?: after byte \d+)?(?:: column \w+)?")
"""Position of a bad record in its file, and the name of the column if a reason begins with it."""


def without_values(reason: str, path: str) -> str:
    """The reason of a bad record in a file. The path, the position and the column are public; the rest can contain values.

    If the reader has marked what can contain values, all else is public.
    """
    if marked(reason) == reason:
        return reason
    if not reason.startswith(path):
        return private(reason)
    place = _PLACE.match(reason, len(path))
    end = place.end() if place else len(path)
    return f"{reason[:end]}{private(reason[end:])}"


class _RowsBetween:
    """The rows of a half-open range of the good rows of a file (None: all), and the bad records between them.

    A bad record belongs to the range of the good row that follows it, so that exactly one of adjacent ranges has it.
    """

    def __init__(self, path: str, rows: tuple[int, int] | None, on_bad: OnBad) -> None:
        self._path = path
        self._start, self._stop = rows or (0, sys.maxsize)
        self._on_bad = on_bad
        self._position = 0

    def bad(self, record: str, reason: str) -> None:
        """Pass on a bad record if it is in the range."""
        if self._start <= self._position < self._stop:
            self._on_bad(BadRecord(record, without_values(reason, self._path)))

    def of(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """The rows of the range. Nothing is read after its end."""
        for table in tables:
            low, high = max(0, self._start - self._position), min(table.num_rows, self._stop - self._position)
            if low < high:
                yield table if high - low == table.num_rows else table.slice(low, high - low)
            self._position += table.num_rows
            if self._position >= self._stop:
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
        return empty_table(self.schemas[source]) if table is None else table
