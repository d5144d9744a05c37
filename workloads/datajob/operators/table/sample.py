"""sample: keeps a seeded share of the rows."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Columns


class Sample(base.Filter):
    """Keep a random share of the rows.

    A row's own content decides, with the seed: the same rows are kept whatever the order, the files or the number of
    workers, and rows that are equal share their fate. The share is exact only on average.

    Steps of one job draw independently of each other. A step with the same place in another job draws the same numbers:
    give one of the two another `seed`.

    Example:

        - sample: {fraction: 0.01, by: [url]}
    """

    fraction: float = Field(ge=0, le=1, description="Share of the rows to keep.")
    seed: int = Field(default=0, ge=0, lt=2**63, description="Another seed keeps other rows.")
    by: Columns | None = Field(
        default=None, description="Columns that decide, such as an id (rows that agree in them stay together); all by default."
    )
    infallible: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    def keep(self, batch: base.Batch) -> base.Verdict:
        """Reason `sample` for the rows that were not drawn."""
        import numpy as np

        from datajob.operators.hashing.rows import draw, share

        require(self.by or (), batch.table.column_names, "`sample`")
        drawn = share(draw(batch.table, self.by, self.seed, self.salt))
        return base.Verdict((drawn >= self.fraction).astype(np.uint8), ("sample",))
