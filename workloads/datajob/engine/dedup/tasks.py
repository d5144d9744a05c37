"""The tasks of a deduplication: resolve signatures, collect evidence, sort decisions by shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.counts.tally import Tally
from datajob.engine.exchange.blocks import BlockWriter, read_partition
from datajob.engine.exchange.byte_files import all_restored
from datajob.engine.exchange.row_ids import JOB_ROWS, Ranges, RowFiles, RowNumbers
from datajob.engine.input.inputs import Input
from datajob.engine.input.prefetch import BadRecord
from datajob.engine.plan.steps import Step
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.isolate import isolate
from datajob.engine.worker.rejects import RejectFolders
from datajob.engine.worker.task import Task
from datajob.formats.atomic_file import AtomicFile
from datajob.operators.base import Batch, Deduplicate

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ResolveTask(Task):
    """Resolves one partition of signatures, or confirms one partition of evidence."""

    operator: Deduplicate
    signatures: tuple[str, ...]
    partitions: int
    folder: str
    confirm: bool = False

    def name(self, shard: Shard) -> str:
        """Parquet file of the rows that repeat others, or of edges between similar rows."""
        return f"{self.folder}/{shard.key}.parquet"

    def process(self, shard: Shard) -> Record:
        """Find the repeated rows. The rows of the record are those of the file, which is not written if there are none."""
        found = read_partition(self.sink, self.signatures, shard.index, self.partitions)
        rows = 0
        if found is not None and found.num_rows:
            decide = self.operator.confirm if self.confirm else self.operator.resolve
            result = decide(found.sort_by("row"))
            rows = result.num_rows
            write_rows(self.sink, self.name(shard), result)
        return Record(shard.index, shard.key, Tally(), rows)


@dataclass(frozen=True)
class EvidenceTask(Task):
    """Collects the evidence that is needed to confirm duplicates, from those rows of a shard that are candidates."""

    deduplicate: Step[Deduplicate]
    source: Input
    """Gives the rows again whose signatures were compared."""
    numbers: RowNumbers
    groups: RowFiles
    """The candidates (`row`) and the group of each (`kept`)."""
    partitions: int
    folder: str
    policy: str
    rejects: RejectFolders

    def name(self, shard: Shard) -> str:
        """Exchange file of the evidence."""
        return f"{self.folder}/{shard.key}.evidence.arrow"

    def failed_name(self, shard: Shard) -> str:
        """Parquet file of the IDs of failed rows; written only if there are any."""
        return f"{self.folder}/{shard.key}.failed.parquet"

    def process(self, shard: Shard) -> Record:
        """Write the evidence. The rows of the record are the candidates."""
        import numpy as np
        import pyarrow as pa

        members = self.groups.read(self.numbers, shard.index)
        rejects = self.rejects.open(f"{self.stage}-{shard.prefix}")
        accounting = Accounting(self.policy, rejects)
        file = BlockWriter(self.sink, self.name(shard))
        position, failed = 0, []
        try:
            if members.num_rows:
                for table in self.source.tables(shard, self._on_bad):
                    failed.append(self._extract(table, position, members, shard, file, accounting))
                    position += table.num_rows
            reject_files = rejects.close()
            file.close()
        except BaseException:
            file.abort()
            rejects.abort()
            raise
        if any(map(len, failed)):
            write_rows(self.sink, self.failed_name(shard), pa.table({"row": pa.array(np.concatenate(failed))}))
        return Record(shard.index, shard.key, accounting.tally, members.num_rows, reject_files=reject_files)

    def _extract(
        self, table: pa.Table, position: int, members: pa.Table, shard: Shard, file: BlockWriter, accounting: Accounting
    ) -> NDArray[np.int64]:
        """Write the evidence of the candidates in a table; returns the IDs of those on which the operator fails."""
        import numpy as np

        at = members.column("row").to_numpy()
        low, high = np.searchsorted(at, [position, position + table.num_rows])
        size = self.deduplicate.operator.rows_at_a_time or max(1, high - low)
        failed = [
            self._extract_some(table, position, members.slice(start, min(size, high - start)), shard, file, accounting)
            for start in range(low, high, size)
        ]
        return np.concatenate([np.zeros(0, dtype=np.int64), *failed])

    def _extract_some(
        self, table: pa.Table, position: int, members: pa.Table, shard: Shard, file: BlockWriter, accounting: Accounting
    ) -> NDArray[np.int64]:
        """Write the evidence of some candidates, which are rows of a table."""
        import numpy as np
        import pyarrow as pa

        at, groups = members.column("row").to_numpy(), members.column("kept").to_numpy()
        operator, name = self.deduplicate.operator, self.deduplicate.name
        here, ids = at - position, at + self.numbers.first(shard.index)
        candidates = all_restored(table.select(list(operator.inputs())).take(pa.array(here)))
        pieces, bad = isolate(lambda rows, _: operator.evidence(rows), Batch(candidates))
        for piece in pieces:
            passed = piece.passed
            keys = groups[piece.start : piece.stop][passed]
            found = piece.result.filter(pa.array(passed)).append_column("row", pa.array(ids[piece.start : piece.stop][passed]))
            file.write_partitions(found.append_column("key", pa.array(keys)), keys % self.partitions, self.partitions)
        failed = [b.row for b in bad]
        if bad:
            accounting.fail(name, [b.error for b in bad], table.take(pa.array(here[failed])))
            if self.numbers != JOB_ROWS:  # rows of an older corpus only count if they fail
                accounting.step(name).rows_in += len(bad)
        return np.asarray(ids[failed], dtype=np.int64)

    def _on_bad(self, bad: BadRecord) -> None:
        """Bad records were counted when the signatures were extracted."""
        if bad.error is not None and self.policy == "fail":
            raise bad.error


@dataclass(frozen=True)
class GatherTask(Task):
    """Merges the entries of many files about one range of rows into one file."""

    found: RowFiles
    ranges: Ranges
    folder: str

    def name(self, shard: Shard) -> str:
        """Parquet file of the range."""
        return f"{self.folder}/{shard.key}.parquet"

    def process(self, shard: Shard) -> Record:
        """Read the range from all files and write it."""
        rows = self.found.between(*self.ranges.of_part(shard.index), self.found.names)
        write_rows(self.sink, self.name(shard), rows)
        return Record(shard.index, shard.key, Tally(), rows.num_rows)


def write_rows(root: str, name: str, table: pa.Table) -> None:
    """Write rows sorted by their `row` column, in small row groups, so that a range of rows can be read on its own."""
    import pyarrow.parquet as pq

    file = AtomicFile(root, name)
    try:
        pq.write_table(table.sort_by("row"), file.stream, row_group_size=1 << 17, compression="zstd")
    except BaseException:
        file.abort()
        raise
    file.commit()
