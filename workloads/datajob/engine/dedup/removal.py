"""The decision of a deduplication, applied to the stored rows as the first step of the next stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from datajob.engine.exchange.row_ids import JOB_ROWS, FailedRows, RowFiles
from datajob.engine.plan.steps import Step
from datajob.operators.base import Batch, Deduplicate, Verdict

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Removal:
    """What repeats something in the rows of a stage."""

    deduplicate: Step[Deduplicate]
    repeats: RowFiles
    failed: FailedRows
    """Rows that are left out when the stored rows are read."""

    counts_rows: ClassVar[bool] = False

    @property
    def step(self) -> str:
        """Name of the deduplication."""
        return self.deduplicate.name

    def of(self, shard: int) -> ShardRemoval:
        """What repeats something in the rows of a shard."""
        import numpy as np
        import pyarrow as pa

        repeats, failed = self.repeats.read(JOB_ROWS, shard), self.failed.positions(shard)
        if len(failed):
            rows = repeats.column("row").to_numpy()
            repeats = repeats.set_column(0, "row", pa.array(rows - np.searchsorted(failed, rows)))
        return ShardRemoval(self.deduplicate.operator, repeats)


@dataclass(frozen=True)
class ShardRemoval:
    """What repeats something in the rows of a shard (`row`: position, ascending)."""

    operator: Deduplicate
    repeats: pa.Table

    def verdict(self, batch: Batch, start: int) -> Verdict | None:
        """The verdict of the operator; None if nothing in the batch repeats something."""
        import numpy as np
        import pyarrow as pa

        rows = self.repeats.column("row").to_numpy()
        low, high = np.searchsorted(rows, [start, start + len(batch)])
        if low == high:
            return None
        here = self.repeats.slice(low, high - low)
        return self.operator.remove(batch, here.set_column(0, "row", pa.array(rows[low:high] - start)))
