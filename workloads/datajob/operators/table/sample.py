"""sample: keep a seeded random fraction of the rows."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Columns


class Sample(base.Filter):
    """Keep a random fraction of the rows.

    The decision depends only on the content of the row and the seed: the same rows are kept regardless of the order, the
    files or the number of workers, and equal rows are kept or rejected together. The fraction is exact only on average.

    The steps of a job draw independently of each other. The step at the same position of another job draws the same
    numbers; to avoid this, set a different `seed` in one of them.

    Example:

        - sample: {fraction: 0.01, by: [url]}
    """

    fraction: float = Field(ge=0, le=1, description="Fraction of the rows to keep.")
    seed: int = Field(default=0, ge=0, lt=2**63, description="Seed of the random numbers.")
    by: Columns | None = Field(
        default=None,
        description="Columns that the decision depends on, such as an ID; all by default. "
        "Rows with equal values are kept or rejected together.",
    )
    infallible: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    def compared(self) -> base.Order:
        """None: the hashes of stored bytes are those of the bytes."""
        return ()

    def keep(self, batch: base.Batch) -> base.Verdict:
        """Reject rows that are not drawn; the reason is `sample`."""
        import numpy as np

        from datajob.operators.hashing.rows import draw, share

        require(self.by or (), batch.table.column_names, "`sample`")
        drawn = share(draw(batch.table, self.by, self.seed, self.salt))
        return base.Verdict((drawn >= self.fraction).astype(np.uint8), ("sample",))
