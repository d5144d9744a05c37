"""shuffle: put the rows in a seeded random order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Columns

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class Shuffle(base.Repartition):
    """Put all rows in a random order.

    The content of the rows and the seed determine the order, regardless of the files or the number of workers. Equal rows
    end up next to each other; remove them first with `distinct` or `exactDedup` if that matters.

    Example:

        - shuffle: {seed: 7, by: [id]}
    """

    keeps_rows: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    seed: int = Field(default=0, ge=0, lt=2**63, description="Seed of the random numbers.")
    by: Columns | None = Field(
        default=None,
        description="Columns that determine the position of a row, such as an id; all by default. Few columns are faster.",
    )

    def compares(self, source: int) -> base.Order:
        """None: rows are hashed."""
        return ()

    def route(self, prepared: base.Batch, source: int, partitions: int, samples: pa.Table | None) -> NDArray[np.int64]:
        """Even ranges of the random numbers of the rows."""
        from datajob.operators.hashing.rows import draw, partition_of

        require(self.by or (), prepared.table.column_names, "`shuffle`")
        return partition_of(draw(prepared.table, self.by, self.seed, self.salt), partitions)

    def combine(self, inputs: Sequence[pa.Table], partition: int) -> Iterator[pa.Table]:
        """The rows of a range in the order of their random numbers."""
        import numpy as np

        from datajob.operators.hashing.rows import draw
        from datajob.operators.table._ordering import in_order

        if len(inputs[0]):
            yield from in_order(inputs[0], np.argsort(draw(inputs[0], self.by, self.seed, self.salt), kind="stable"))
