"""Where a unit of work gets its rows: fragments of the job's input, rows staged by an earlier phase, or a partition."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from datajob.api.report import READ
from datajob.engine.commit.shard import Shard
from datajob.engine.exchange.blocks import conform, read_blocks, read_partition
from datajob.engine.exchange.row_ids import JOB_ROWS, RowFiles
from datajob.engine.input.prefetch import prefetch
from datajob.engine.input.sharding import ShardFragments
from datajob.engine.plan.steps import Step
from datajob.engine.worker.chain import Chain, compact, fail_rows
from datajob.errors import InputError
from datajob.formats.base import Fragment, OnBadRecord, Reader
from datajob.operators.base import Batch, Deduplicate, Repartition, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_BYTES = 16 << 20
"""Arrow bytes of one table on its way through a pass; a worker holds a few of them."""


class Input(Protocol):
    """Gives the rows of a unit, counting them in the chain's tally."""

    def tables(self, shard: Shard, chain: Chain) -> Iterator[pa.Table]:
        """The rows, in order, in tables of bounded size."""


@dataclass(frozen=True)
class FragmentInput:
    """The job's own input."""

    shards: tuple[ShardFragments, ...]
    readers: tuple[Reader, ...]
    schema: pa.Schema
    """Of the rows of all sources together."""
    source_schemas: tuple[pa.Schema, ...]

    def tables(self, shard: Shard, chain: Chain) -> Iterator[pa.Table]:
        """Read the shard. A record or a file that cannot be read fails alone, as the job's `errors` say."""
        import pyarrow as pa

        counts = chain.tally.step(READ)
        piece = self.shards[shard.index]
        reader, schema = self.readers[piece.source], self.source_schemas[piece.source]

        def on_bad(record: str, reason: str) -> None:
            counts.rows_in += 1
            fail_rows(chain.policy, READ, [reason], pa.table({"record": [record]}), chain.tally, chain.dropped)

        def read(fragment: Fragment, on_bad: OnBadRecord) -> Iterator[pa.Table]:
            return reader.read(fragment, schema, BATCH_BYTES, on_bad)

        for fragment, tables in prefetch(piece.fragments, read, on_bad):
            started = time.perf_counter()
            try:
                for table in rows_between(tables, piece.rows):
                    counts.seconds += time.perf_counter() - started
                    if table.num_rows:
                        counts.rows_in += table.num_rows
                        counts.rows_out += table.num_rows
                        yield conform(table, self.schema)
                    started = time.perf_counter()
            except InputError as error:
                if chain.policy == "fail":
                    raise
                on_bad(fragment.file.path, str(error))


def rows_between(tables: Iterator[pa.Table], rows: tuple[int, int] | None) -> Iterator[pa.Table]:
    """The rows of a half-open range (None: all); nothing is read behind it."""
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
    """Rows that the phase before staged, one file per unit; changed as a global step decided."""

    root: str
    names: tuple[str, ...]
    """Block file of each unit."""
    step: Step | None = None
    """Global step whose decision is applied here, if any."""
    repeats: RowFiles | None = None
    """What repeats something, of a de-duplication."""
    take: tuple[int, ...] | None = None
    """How many rows to take from each unit, of a limit."""

    def tables(self, shard: Shard, chain: Chain) -> Iterator[pa.Table]:
        """Read the staged rows and apply the global step's decision."""
        repeats = (self.repeats or RowFiles(self.root)).read(JOB_ROWS, shard.index)
        position = 0
        for table in read_blocks(self.root, self.names[shard.index]):
            if self.step is not None:
                started = time.perf_counter()
                counts = chain.tally.step(self.step.name)
                counts.rows_in += table.num_rows
                batch = Batch(table)
                verdict = self._verdict(self.step, batch, position, repeats, shard.index)
                position += table.num_rows
                if verdict is not None:
                    table = compact(chain.decide(self.step, batch, verdict)).table
                counts.rows_out += table.num_rows
                counts.seconds += time.perf_counter() - started
            if table.num_rows:
                yield table

    def _verdict(self, step: Step, batch: Batch, position: int, repeats: pa.Table, index: int) -> Verdict | None:
        """What becomes of the rows from `position` on; None: they stay as they are."""
        import numpy as np
        import pyarrow as pa

        if self.take is not None:
            wanted = self.take[index] - position
            codes = (np.arange(len(batch)) >= wanted).astype(np.int8)
            return None if wanted >= len(batch) else Verdict(codes, (step.operator.key,))
        rows = repeats.column("row").to_numpy()
        low, high = np.searchsorted(rows, [position, position + len(batch)])
        if low == high:
            return None
        assert isinstance(step.operator, Deduplicate)
        here = repeats.slice(low, high - low)
        return step.operator.remove(batch, here.set_column(0, "row", pa.array(rows[low:high] - position)))


@dataclass(frozen=True)
class PartitionInput:
    """One partition of a repartition, combined."""

    root: str
    step: str
    operator: Repartition
    partitions: int
    exchanges: tuple[tuple[str, ...], ...]
    """Exchange files of each source, in the order of the input."""
    schemas: tuple[pa.Schema, ...]
    """Columns of each source, for sources without any row."""

    def tables(self, shard: Shard, chain: Chain) -> Iterator[pa.Table]:
        """Gather the partition and combine it."""
        counts = chain.tally.step(self.step)
        started = time.perf_counter()
        inputs: Sequence[pa.Table] = [self._gather(source, shard.index) for source in range(len(self.exchanges))]
        for table in self.operator.combine(inputs, shard.index):
            counts.seconds += time.perf_counter() - started
            counts.rows_out += table.num_rows
            if table.num_rows:
                yield table
            started = time.perf_counter()

    def _gather(self, source: int, partition: int) -> pa.Table:
        table = read_partition(self.root, self.exchanges[source], partition, self.partitions)
        return self.schemas[source].empty_table() if table is None else table
