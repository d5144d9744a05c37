"""The second part of `mix`: repeat rows, and put them in a random order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from datajob.operators import base
from datajob.operators.columns import require

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

COPIES = "_mix_copies"
"""Column with the number of times that a row is in the result."""
POSITION = "_mix_position"
"""Column with the random number that determines the place of a row."""


class MixOrder(base.Repartition):
    """Repeat rows as often as `mix` decided, and put them in a random order."""

    key: ClassVar[str] = "order"
    seed: int
    by: tuple[str, ...] | None
    salted: str
    """Distinguishes the random numbers from those of other steps."""

    def compares(self, source: int) -> base.Order:
        """None: rows are hashed."""
        return ()

    def prepare(self, batch: base.Batch, source: int) -> pa.Table:
        """Each row as often as it is in the result, with random positions that are independent of each other."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.hashing.rows import draw, redraw

        table = batch.table
        if COPIES not in table.column_names:  # a table without rows that `mix` has not seen
            return table.append_column(POSITION, pa.array([], pa.uint64()))
        copies = np.asarray(batch.array(COPIES), np.int64)
        table = table.drop_columns([COPIES])
        require(self.by or (), table.column_names, "`mix`")
        drawn = draw(table, self.by, self.seed, self.salted)
        rows = np.repeat(np.arange(len(copies)), copies)
        number = np.arange(len(rows)) - np.repeat(np.cumsum(copies) - copies, copies)
        if len(rows) != len(copies):
            table = table.take(pa.array(rows))
        return table.append_column(POSITION, pa.array(redraw(drawn[rows], number)))

    def route(self, prepared: base.Batch, source: int, partitions: int, samples: pa.Table | None) -> NDArray[np.int64]:
        """Even ranges of the positions."""
        import numpy as np

        from datajob.operators.hashing.rows import partition_of

        return partition_of(np.asarray(prepared.array(POSITION), np.uint64), partitions)

    def combine(self, inputs: Sequence[pa.Table], partition: int) -> Iterator[pa.Table]:
        """The rows of a range in the order of their positions."""
        import numpy as np

        from datajob.operators.table._ordering import in_order

        [rows] = inputs
        if not len(rows):
            yield rows.select([name for name in rows.column_names if name != POSITION])
            return
        order = np.argsort(rows.column(POSITION).to_numpy(), kind="stable")
        yield from in_order(rows.drop_columns([POSITION]), order)
