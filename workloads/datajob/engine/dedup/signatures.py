"""Extracts the signatures of rows while they are stored: one exchange file per shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.engine.commit.shard import Shard
from datajob.engine.exchange.blocks import BlockWriter
from datajob.engine.exchange.row_ids import RowNumbers
from datajob.engine.plan.steps import Step
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.isolate import Piece
from datajob.operators.base import Batch, Deduplicate, Order

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Signatures:
    """Signatures of the rows of a stage."""

    deduplicate: Step[Deduplicate]
    partitions: int
    numbers: RowNumbers
    skips_failed: bool
    """True if failed rows have no position: the rows are stored without them."""

    @property
    def step(self) -> str:
        """Name of the deduplication."""
        return self.deduplicate.name

    def needs(self) -> Order | None:
        """The columns of which the signatures are."""
        operator = self.deduplicate.operator
        return None if operator.runs_user_code() else operator.inputs()

    def counted(self, table: pa.Table) -> bool:
        """Whether the fused steps have computed what the signatures need."""
        return self.deduplicate.operator.signing_column in table.column_names

    def extract(self, table: pa.Table, start: int, file: BlockWriter, shard: Shard, accounting: Accounting) -> pa.Table:
        """Write the signatures, partitioned by key. Returns the rows that have signatures or need none."""
        operator = self.deduplicate.operator
        pieces, passed = accounting.isolate(self.step, lambda rows, _: self._signatures(rows), Batch(table))
        position = self.numbers.first(shard.index) + start
        for piece in pieces:
            self._write(piece, position if self.skips_failed else position + piece.start, file)
            position += int(piece.passed.sum()) if self.skips_failed else 0
        return passed.table.drop_columns([operator.signing_column]) if self.counted(passed.table) else passed.table

    def _signatures(self, batch: Batch) -> pa.Table:
        """The signatures of a batch, of a few rows at a time if the operator needs that."""
        import pyarrow as pa

        operator = self.deduplicate.operator
        size = operator.rows_at_a_time
        if size is None or len(batch) <= size:
            return operator.signatures(batch)
        found = []
        for start in range(0, len(batch), size):
            part = Batch(batch.table.slice(start, size))
            table = operator.signatures(part)
            rows = pa.array(table.column("row").to_numpy() + start, table.schema.field("row").type)
            found.append(table.set_column(table.schema.get_field_index("row"), "row", rows))
            for row, reason in part.failures.items():
                batch.fail(start + row, reason)
        return pa.concat_tables(found)

    def _write(self, piece: Piece[pa.Table], first: int, file: BlockWriter) -> None:
        import numpy as np
        import pyarrow as pa

        found, passed = piece.result, piece.passed
        rows = found.column("row").to_numpy().astype(np.int64)
        if piece.failures:
            found, rows = found.filter(pa.array(passed[rows])), rows[passed[rows]]
            rows = np.cumsum(passed)[rows] - 1 if self.skips_failed else rows
        rows = rows + first
        found = found.set_column(found.schema.get_field_index("row"), "row", pa.array(rows))
        keys = found.column("key").to_numpy()
        file.write_partitions(found, (keys % np.uint64(self.partitions)).astype(np.int64), self.partitions)
