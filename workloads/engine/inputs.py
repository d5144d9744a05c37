"""Where a unit of work gets its rows: fragments of the job's input, rows staged by an earlier phase, or a partition."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from workloads.engine.blocks import conform, read_blocks, read_partition
from workloads.engine.chain import Chain, fail_rows
from workloads.engine.units import Shard, Unit
from workloads.errors import InputError
from workloads.formats.base import Reader
from workloads.formats.storage import Folder
from workloads.operators.base import Repartition

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

BATCH_BYTES = 16 << 20
"""Arrow bytes of one table on its way through a pass; a worker holds a few of them."""
READ = "read"
ROW_BITS = 36
"""A row's id in a phase is its unit's index, shifted by this, plus its position in the unit."""


class Input(Protocol):
    """Gives the rows of a unit, counting them in the chain's tally."""

    def tables(self, unit: Unit, chain: Chain) -> Iterator[pa.Table]:
        """The rows, in order, in tables of bounded size."""


@dataclass(frozen=True)
class FragmentInput:
    """The job's own input."""

    shards: tuple[Shard, ...]
    readers: tuple[Reader, ...]
    schema: pa.Schema
    """Of the rows of all sources together."""
    source_schemas: tuple[pa.Schema, ...]

    def tables(self, unit: Unit, chain: Chain) -> Iterator[pa.Table]:
        """Read the shard. A record or a file that cannot be read fails alone, as the job's `errors` say."""
        import pyarrow as pa

        counts = chain.tally.step(READ)
        shard = self.shards[unit.index]
        reader, schema = self.readers[shard.source], self.source_schemas[shard.source]

        def on_bad(record: str, reason: str) -> None:
            counts.rows_in += 1
            fail_rows(chain.policy, READ, [reason], pa.table({"record": [record]}), chain.tally, chain.dropped)

        for fragment in shard.fragments:
            started = time.perf_counter()
            try:
                for table in reader.read(fragment, schema, BATCH_BYTES, on_bad):
                    counts.seconds += time.perf_counter() - started
                    if table.num_rows:
                        counts.rows_in += table.num_rows
                        counts.rows_out += table.num_rows
                        chain.tally.measure("read", table)
                        yield conform(table, self.schema)
                    started = time.perf_counter()
            except InputError as error:
                if chain.policy == "fail":
                    raise
                on_bad(fragment.file.path, str(error))


@dataclass(frozen=True)
class StageInput:
    """Rows that the phase before staged, one file per unit; without those that a global step found to drop."""

    root: str
    names: tuple[str, ...]
    """Block file of each unit."""
    step: str | None = None
    """Global step that drops rows here, if any."""
    reason: str = ""
    drops: tuple[str, ...] = ()
    """Parquet files of row ids to drop (column `row`, ascending), of a de-duplication."""
    take: tuple[int, ...] | None = None
    """How many rows to take from each unit, of a limit."""

    def tables(self, unit: Unit, chain: Chain) -> Iterator[pa.Table]:
        """Read the staged rows and apply the global step's decision."""
        import pyarrow as pa

        dropped = self._dropped(unit.index)
        position = 0
        for table in read_blocks(self.root, self.names[unit.index]):
            started = time.perf_counter()
            keep = self._keep(table.num_rows, position, dropped, unit.index)
            position += table.num_rows
            if self.step is not None:
                counts = chain.tally.step(self.step)
                kept = table if keep is None else table.filter(pa.array(keep))
                counts.rows_in += table.num_rows
                counts.rows_out += kept.num_rows
                if gone := table.num_rows - kept.num_rows:
                    counts.rejected[self.reason] = counts.rejected.get(self.reason, 0) + gone
                    rows = table.filter(pa.array(~keep))  # type: ignore[operator]
                    chain.tally.sample(self.step, self.reason, rows)
                    if chain.dropped is not None:
                        chain.dropped.rejected(self.step, pa.array([self.reason] * gone), rows)
                counts.seconds += time.perf_counter() - started
                table = kept
            if table.num_rows:
                yield table

    def _dropped(self, index: int) -> NDArray[np.int64]:
        import numpy as np
        import pyarrow.parquet as pq

        first, end = index << ROW_BITS, (index + 1) << ROW_BITS
        found = []
        for name in self.drops:
            with Folder(self.root).open_input(name) as source:
                rows = pq.read_table(source, columns=["row"], filters=[("row", ">=", first), ("row", "<", end)])
            found.append(rows.column("row").to_numpy())
        return np.unique(np.concatenate(found)) - first if found else np.zeros(0, dtype=np.int64)

    def _keep(self, rows: int, position: int, dropped: NDArray[np.int64], index: int) -> NDArray[np.bool_] | None:
        import numpy as np

        if self.take is not None:
            wanted = self.take[index] - position
            return None if wanted >= rows else np.arange(rows) < wanted
        low, high = np.searchsorted(dropped, [position, position + rows])
        if low == high:
            return None
        keep = np.ones(rows, dtype=bool)
        keep[dropped[low:high] - position] = False
        return keep


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

    def tables(self, unit: Unit, chain: Chain) -> Iterator[pa.Table]:
        """Gather the partition and combine it."""
        counts = chain.tally.step(self.step)
        started = time.perf_counter()
        inputs: Sequence[pa.Table] = [self._gather(source, unit.index) for source in range(len(self.exchanges))]
        for table in self.operator.combine(inputs, unit.index):
            counts.seconds += time.perf_counter() - started
            counts.rows_out += table.num_rows
            if table.num_rows:
                yield table
            started = time.perf_counter()

    def _gather(self, source: int, partition: int) -> pa.Table:
        table = read_partition(self.root, self.exchanges[source], partition, self.partitions)
        return self.schemas[source].empty_table() if table is None else table
