"""Tasks of a de-duplication: resolve signatures, gather evidence, sort the decisions by shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.engine.commit.ledger import Ledger, Record
from datajob.engine.commit.shard import Shard
from datajob.engine.counts.tally import Tally
from datajob.engine.exchange.blocks import BlockWriter, read_partition
from datajob.engine.exchange.row_ids import Ranges, RowFiles, RowNumbers
from datajob.engine.input.inputs import Input
from datajob.engine.worker.chain import Chain
from datajob.formats.atomic_file import AtomicFile
from datajob.operators.base import Batch, Deduplicate

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ResolveTask:
    """Resolves one partition of signatures: which rows repeat others, or which are alike. Or confirms one of evidence."""

    sink: str
    stage: str
    step: str
    operator: Deduplicate
    signatures: tuple[str, ...]
    partitions: int
    folder: str
    confirm: bool = False

    def name(self, shard: Shard) -> str:
        """Parquet file of the unit's rows to drop (or edges)."""
        return f"{self.folder}/{shard.key}.parquet"

    def run(self, shard: Shard) -> Record:
        """Do the unit and commit it."""
        tally = Tally()
        found = read_partition(self.sink, self.signatures, shard.index, self.partitions)
        rows = 0
        if found is not None and found.num_rows:
            decide = self.operator.confirm if self.confirm else self.operator.resolve
            result = decide(found.sort_by("row"))
            rows = result.num_rows
            write_rows(self.sink, self.name(shard), result)
        record = Record(shard.index, shard.key, tally, rows)
        Ledger(self.sink, self.stage).commit(record)
        return record


@dataclass(frozen=True)
class EvidenceTask:
    """Gathers what is needed to confirm that the rows of a group are alike, from those rows of a unit that are in one."""

    sink: str
    stage: str
    step: str
    operator: Deduplicate
    source: Input
    numbers: RowNumbers
    groups: RowFiles
    """The rows in groups (`row`) and the groups (`kept`)."""
    partitions: int
    folder: str
    policy: str

    def name(self, shard: Shard) -> str:
        """Block file of the unit's evidence, an exchange."""
        return f"{self.folder}/{shard.key}.evidence.arrow"

    def run(self, shard: Shard) -> Record:
        """Do the unit and commit it."""
        chain = Chain((), self.policy)
        members = self.groups.read(self.numbers, shard.index)
        file = BlockWriter(self.sink, self.name(shard))
        rows = 0
        try:
            if members.num_rows:
                for table in self.source.tables(shard, chain):
                    self._gather(table, rows, members, shard, file)
                    rows += table.num_rows
            file.close()
        except BaseException:
            file.abort()
            raise
        record = Record(shard.index, shard.key, Tally(), members.num_rows)
        Ledger(self.sink, self.stage).commit(record)
        return record

    def _gather(self, table: pa.Table, position: int, members: pa.Table, shard: Shard, file: BlockWriter) -> None:
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
        found = found.append_column("row", pa.array(at[low:high] + self.numbers.first(shard.index))).append_column(
            "key", pa.array(keys)
        )
        file.write_partitions(found, keys % self.partitions, self.partitions)


@dataclass(frozen=True)
class GatherTask:
    """Brings what many files say about one range of rows together in one file."""

    sink: str
    stage: str
    found: RowFiles
    ranges: Ranges
    folder: str

    def name(self, shard: Shard) -> str:
        """Parquet file of the unit's range of rows."""
        return f"{self.folder}/{shard.key}.parquet"

    def run(self, shard: Shard) -> Record:
        """Do the unit and commit it."""
        rows = self.found.between(*self.ranges.of_part(shard.index), self.found.names)
        write_rows(self.sink, self.name(shard), rows)
        record = Record(shard.index, shard.key, Tally(), rows.num_rows)
        Ledger(self.sink, self.stage).commit(record)
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
